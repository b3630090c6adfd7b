//! The key that signs modules built on this machine, and its enrollment in the firmware.

use vgpu_manifest::Digest;

use super::boot::variable;
use super::efi;
use super::reader::Reader;
use crate::host::Look;

/// DKMS's own key, of DKMS 2.8 to 3.2, according to `/etc/dkms/framework.conf`.
pub(crate) const PRIVATE_KEY: &str = "/var/lib/dkms/mok.key";
/// Its certificate, in DER.
pub(crate) const CERTIFICATE: &str = "/var/lib/dkms/mok.pub";
/// The EFI variable with the request of `mokutil --import`, which shim reads.
pub(crate) const REQUEST: &str =
    "/sys/firmware/efi/efivars/MokNew-605dab50-e046-4300-abb6-3dd810dd8b23";

/// The enrollment state of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SigningKey {
    /// The key, or one half of it, is missing.
    Missing,
    /// The key exists, but its enrollment was not requested.
    Made,
    /// The firmware asks at the next boot whether to enroll it.
    Requested,
    /// Modules signed with it are loaded.
    Enrolled,
}

/// Reads the state of the key.
pub(crate) fn signing_key(look: &dyn Look) -> SigningKey {
    let reader = Reader::new(look);
    let Some(certificate) = reader.bytes(CERTIFICATE).map(|der| Digest::of(&der)) else {
        return SigningKey::Missing;
    };
    let lists = |name, namespace| {
        let lists = variable(&reader, name, namespace);
        let found = lists.and_then(|lists| efi::certificates(&lists)).unwrap_or_default();
        found.contains(&certificate)
    };
    if !reader.exists(PRIVATE_KEY) {
        SigningKey::Missing
    } else if lists("MokListRT", efi::SHIM) || lists("db", efi::SECURITY) {
        SigningKey::Enrolled
    } else if lists("MokNew", efi::SHIM) {
        SigningKey::Requested
    } else {
        SigningKey::Made
    }
}
