use vgpu_keys::{Policy, PolicyError};
use vgpu_manifest::Mode;
use vgpu_manifest::ui::{Exit, Explain};

use crate::host::own::{check_folders, fixed, trust};
use crate::host::{HostError, Look, Meta, Node, OwnState};

/// The authoritative document. The installer derives two files for `ssh-keygen` from it.
pub(crate) const POLICY: &str = "/etc/vgpu-offline/policy.toml";

/// The trust policy of the host cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TrustError {
    /// The host has no policy.
    #[error("this host trusts no keys yet: {POLICY} does not exist")]
    NoPolicy,
    /// A user other than root could have written the policy.
    #[error("{POLICY} is not trusted: {why}")]
    Unsafe {
        /// The reason.
        why: &'static str,
    },
    /// The policy cannot be read.
    #[error("invalid trust policy {POLICY}")]
    Policy(#[from] PolicyError),
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Explain for TrustError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::NoPolicy | Self::Unsafe { .. } | Self::Policy(_) => Some(Exit::Untrusted),
            Self::Host(_) => None,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::NoPolicy => {
                Some("trust a key first: `vgpu-installer trust add KEY.pub --principal NAME`")
            }
            Self::Unsafe { .. } => {
                Some("check who changed it, then run `chown root: FILE && chmod 0644 FILE`")
            }
            Self::Policy(_) => None,
            Self::Host(error) => error.hint(),
        }
    }
}

/// Returns the policy of the host, or `None` if it has none yet.
pub(crate) fn load(look: &dyn Look) -> Result<Option<Policy>, TrustError> {
    let path = fixed(POLICY);
    check_folders(look)?;
    match look.node(&path)? {
        None => return Ok(None),
        Some(Node::File { meta, .. }) => check(&meta)?,
        Some(_) => return Err(TrustError::Unsafe { why: "not a regular file" }),
    }
    let document = look.read(&path)?.unwrap_or_default();
    Ok(Some(Policy::parse(&document)?))
}

/// Returns the policy of the host, which must have one.
pub(crate) fn require(look: &dyn Look) -> Result<Policy, TrustError> {
    load(look)?.ok_or(TrustError::NoPolicy)
}

fn check(meta: &Meta) -> Result<(), TrustError> {
    let mode = meta.mode.to_string();
    let others_write = mode.bytes().skip(2).any(|digit| (digit - b'0') & 2 != 0);
    match (meta.uid, others_write) {
        (0, false) => Ok(()),
        (0, true) => Err(TrustError::Unsafe { why: "users other than root can write to it" }),
        _ => Err(TrustError::Unsafe { why: "its owner is not root" }),
    }
}

/// Makes `policy`, whose text is `document`, the policy of the host.
pub(crate) fn save(
    own: &mut OwnState<'_>,
    policy: &Policy,
    document: &[u8],
) -> Result<(), TrustError> {
    own.ensure_dir(&trust(), Mode::DIR)?;
    own.replace(&trust().join("policy.toml"), document, Mode::FILE)?;
    // The new policy is in force from here on. After a power cut the derived files may be one version behind.
    let signers = policy.allowed_signers().to_string();
    own.replace(&trust().join("allowed_signers"), signers.as_bytes(), Mode::FILE)?;
    let revoked = policy.revoked_keys().to_string();
    own.replace(&trust().join("revoked_keys"), revoked.as_bytes(), Mode::FILE)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::MemHost;

    const DOCUMENT: &str = "version = 1\nthreshold = 1\nchannels = [\"stable\"]\nsigners = '''\n\
        alice namespaces=\"vgpu-bundle\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea\n\
        '''\nrevoked = '''\n'''\n";

    #[test]
    fn what_is_saved_is_loaded_and_exported() {
        let mut host = MemHost::default();
        assert!(load(&host).unwrap().is_none());
        assert!(matches!(require(&host), Err(TrustError::NoPolicy)));
        let policy = Policy::parse(DOCUMENT.as_bytes()).unwrap();
        save(&mut OwnState::of(&mut host), &policy, DOCUMENT.as_bytes()).unwrap();
        assert_eq!(require(&host).unwrap(), policy);
        assert_eq!(host.text_of(POLICY).as_deref(), Some(DOCUMENT));
        let line = host.text_of("/etc/vgpu-offline/allowed_signers").unwrap();
        assert!(line.starts_with("alice namespaces=\"vgpu-bundle\" ssh-ed25519 "), "{line}");
        assert_eq!(host.text_of("/etc/vgpu-offline/revoked_keys").as_deref(), Some(""));
    }

    #[test]
    fn a_policy_that_others_could_have_written_is_refused() {
        for (mode, uid, good) in [
            ("0644", 0, true),
            ("0600", 0, true),
            ("0664", 0, false),
            ("0646", 0, false),
            ("0644", 7, false),
        ] {
            let mut host = MemHost::default();
            let meta = Meta { uid, ..Meta::root(mode.parse().unwrap()) };
            host.place_as(POLICY, DOCUMENT.as_bytes(), meta);
            assert_eq!(load(&host).is_ok(), good, "{mode} {uid}");
        }
        let mut host = MemHost::default();
        host.place_node(POLICY, Node::link("/tmp/policy"), b"");
        assert!(matches!(load(&host), Err(TrustError::Unsafe { .. })));
    }
}
