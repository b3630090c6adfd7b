//! Signed policies: the bundle carries them to hosts that have an older one.

use std::io::Read as _;

use anyhow::Context as _;
use vgpu_keys::{MAX_POLICIES, SignedPolicies};
use vgpu_manifest::{Kind, PoliciesRecord};

use crate::cache::CacheLock;
use crate::recipe::{Entry, Role};
use crate::types::Pin;

/// Checks the signed policies among `entries`, and records their kind.
///
/// # Errors
///
/// If no host could ever take one of them: too few of its own signers, or of those of its
/// predecessor in the same file, have signed it.
pub(crate) fn records(
    cache: &CacheLock<'_>,
    entries: &[Entry],
    pins: &mut [Pin],
) -> anyhow::Result<()> {
    let all = entries.iter().zip(pins);
    for (entry, pin) in all.filter(|(entry, _)| entry.role == Role::Policies) {
        let mut text = Vec::new();
        let file = cache.cache().open_content(pin.sha256)?;
        file.take(MAX_POLICIES + 1).read_to_end(&mut text).context("cannot read `policies`")?;
        let policies = SignedPolicies::parse(&text);
        let checked = policies.map_err(anyhow::Error::new).and_then(|it| Ok(it.check()?));
        checked.with_context(|| format!("cannot use `policies`, {}", entry.origin))?;
        pin.kind = Kind::Policies(PoliciesRecord {});
    }
    Ok(())
}
