//! Options that several commands share, and their resolved values.

mod machine;
mod network;
mod project;
mod signer;
mod trust;
mod unsuitable;

use vgpu_manifest::PartSize;
use vgpu_manifest::ui::{ByteSize, ParseSizeError};

pub(crate) use self::machine::{MachineArgs, gpu};
pub(crate) use self::network::{InputArgs, Network};
pub(crate) use self::project::{Project, ProjectArgs};
pub(crate) use self::signer::{PassphraseArgs, SignerArgs, default_key};
pub(crate) use self::trust::{TrustArgs, default_signers};
pub(crate) use self::unsuitable::UnsuitableArgs;

/// Parses the size of the files that a bundle is split into.
pub(crate) fn part_size(text: &str) -> Result<PartSize, String> {
    let size: ByteSize = text.parse().map_err(|error: ParseSizeError| error.to_string())?;
    PartSize::new(size.bytes()).ok_or_else(|| "a part must have a multiple of 4 MiB".to_owned())
}
