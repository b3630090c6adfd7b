//! The key that modules built on this machine are signed with, and how far the firmware knows it.

use vgpu_manifest::Digest;

use super::boot::variable;
use super::efi;
use super::eyes::Eyes;
use crate::host::Look;

/// DKMS's own key, of DKMS 2.8 to 3.2: `/etc/dkms/framework.conf` says so.
pub(crate) const PRIVATE_KEY: &str = "/var/lib/dkms/mok.key";
/// Its certificate, in DER.
pub(crate) const CERTIFICATE: &str = "/var/lib/dkms/mok.pub";
/// Where shim finds what `mokutil --import` asks it to enrol.
pub(crate) const REQUEST: &str =
    "/sys/firmware/efi/efivars/MokNew-605dab50-e046-4300-abb6-3dd810dd8b23";

/// How far the key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SigningKey {
    /// There is none, or only one half of it.
    Missing,
    /// It is there, and nobody but this machine's root knows it.
    Made,
    /// The firmware will ask at the next boot whether to take it.
    Requested,
    /// Modules that are signed with it are loaded.
    Enrolled,
}

/// Look at the key.
pub(crate) fn signing_key(look: &dyn Look) -> SigningKey {
    let eyes = Eyes::new(look);
    let Some(certificate) = eyes.bytes(CERTIFICATE).map(|der| Digest::of(&der)) else {
        return SigningKey::Missing;
    };
    let lists = |name, namespace| {
        let lists = variable(&eyes, name, namespace);
        let found = lists.and_then(|lists| efi::certificates(&lists)).unwrap_or_default();
        found.contains(&certificate)
    };
    if !eyes.exists(PRIVATE_KEY) {
        SigningKey::Missing
    } else if lists("MokListRT", efi::SHIM) || lists("db", efi::SECURITY) {
        SigningKey::Enrolled
    } else if lists("MokNew", efi::SHIM) {
        SigningKey::Requested
    } else {
        SigningKey::Made
    }
}
