//! The notice about the license server, and the record that the operator accepted it.

use vgpu_manifest::Digest;

use super::LicenseError;
use crate::date::Date;
use crate::host::own::{folder_mode, license, private};
use crate::host::{Host, HostError, Look, OwnPath, OwnState};

pub(crate) const TEXT: &str = "\
About this license server
  FastAPI-DLS is third-party software, and NVIDIA does not support it. It replaces the NVIDIA License
  System, which NVIDIA's license terms provide for. NVIDIA's own Delegated License Service (DLS) also
  works without internet access: point guests at it with `vgpu-installer license use`.
  You must check that your use of NVIDIA vGPU software complies with its license terms.
  The image is licensed under the AGPL; distribute it only as that license permits.
  One server is enough for a cluster. Its keys are created on this node, once.";

fn path() -> OwnPath {
    license().join("notice")
}

/// Checks whether exactly this notice was accepted on this node.
pub(crate) fn is_accepted(look: &dyn Look) -> Result<bool, HostError> {
    let text = look.text(&path())?.unwrap_or_default();
    let first = text.split_whitespace().next();
    Ok(first == Some(Digest::of(TEXT.as_bytes()).to_string().as_str()))
}

/// Records that the notice was accepted, with the time of the node's clock.
pub(crate) fn accept(host: &mut dyn Host) -> Result<(), LicenseError> {
    let mut own = OwnState::of(host);
    own.ensure_dir(&license(), folder_mode())?;
    let when = Date::from(own.look().now());
    let text = format!("{} accepted on {when}\n", Digest::of(TEXT.as_bytes()));
    Ok(own.replace(&path(), text.as_bytes(), private())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::MemHost;

    #[test]
    fn a_notice_is_shown_until_it_was_agreed_to() {
        let mut host = MemHost::with_files(&[("/var/lib/README", "")]);
        assert!(!is_accepted(&host).unwrap());
        accept(&mut host).unwrap();
        assert!(is_accepted(&host).unwrap());
        host.place(path().as_path().as_str(), "another accepted");
        assert!(!is_accepted(&host).unwrap());
    }
}
