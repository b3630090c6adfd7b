use std::io;

use vgpu_manifest::ItemName;
use vgpu_manifest::ui::ByteSize;

/// A package that ends too early: usually a download that was cut off.
#[derive(Debug, thiserror::Error)]
#[error("the file is truncated: it ends {0}; download it again")]
pub(super) struct Truncated(pub(super) &'static str);

/// A payload that unpacks to more than its limit, in bytes, as [`super::payload::Payload`] reports
/// it through a reader.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
pub(super) struct Bomb(pub(super) u64);

pub(super) const UNREADABLE: &str = "cannot read the file";

/// The context of everything that is wrong with an item.
pub(super) fn unusable(item: &ItemName) -> String {
    format!("item `{item}` cannot be used")
}

/// Returns what a failure to read the payload means.
pub(super) fn damaged(error: io::Error) -> anyhow::Error {
    // The archive reader wraps errors in its own.
    let mut inner = Some(&error as &(dyn std::error::Error + 'static));
    while let Some(cause) = inner {
        let io = cause.downcast_ref::<io::Error>();
        let carried = io.and_then(io::Error::get_ref);
        if let Some(Bomb(cap)) = carried.and_then(|inner| inner.downcast_ref()) {
            let cap = ByteSize::new(*cap);
            return anyhow::anyhow!("the payload unpacks to more than the {cap} allowed");
        }
        if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
            return Truncated("in its payload").into();
        }
        inner = carried.map_or_else(|| cause.source(), |inner| Some(inner as _));
    }
    anyhow::Error::new(error).context("the payload of the driver package is damaged")
}
