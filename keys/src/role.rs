use std::fmt;
use std::str::FromStr;

use crate::names::serde_as_text;

/// What a signature is for.
///
/// The role is part of what is signed, as the namespace of OpenSSH. A signature made for one
/// never holds for another, and a key may be allowed to sign for some of them only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The contents of a bundle, by its `SHA256SUMS`.
    Bundle,
    /// The program `vgpu-installer`.
    Installer,
    /// The policy that replaces another one.
    Policy,
    /// What a host reports about itself.
    Report,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Bundle, Self::Installer, Self::Policy, Self::Report];

    /// The namespace that `ssh-keygen -Y sign -n` and `-Y verify -n` take for this role.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Bundle => "vgpu-bundle",
            Self::Installer => "vgpu-installer",
            Self::Policy => "vgpu-policy",
            Self::Report => "vgpu-report",
        }
    }

    /// The role that has this namespace, if one has.
    #[must_use]
    pub fn from_namespace(namespace: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.namespace().as_bytes() == namespace)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.namespace())
    }
}

/// A namespace is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no namespace of ours: use vgpu-bundle, vgpu-installer, vgpu-policy or vgpu-report"
)]
pub struct UnknownNamespace(pub(crate) String);

impl FromStr for Role {
    type Err = UnknownNamespace;

    fn from_str(namespace: &str) -> Result<Self, UnknownNamespace> {
        Self::from_namespace(namespace.as_bytes())
            .ok_or_else(|| UnknownNamespace(crate::wire::show(namespace.as_bytes())))
    }
}

serde_as_text!(Role);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_names_its_role_exactly() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        for bad in ["", "bundle", "VGPU-BUNDLE", "vgpu-bundle ", "vgpu-*", "file"] {
            assert!(bad.parse::<Role>().is_err(), "{bad:?}");
        }
    }
}
