use std::fmt;
use std::str::FromStr;

use crate::names::serde_as_text;

/// The purpose of a signature.
///
/// The role is part of the signed data, as the namespace of OpenSSH. A signature for one role is
/// invalid for any other, and a policy can restrict a key to some roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(try_from = "String", into = "String", extend("enum" = Role::ALL.map(Role::namespace)))
)]
pub enum Role {
    /// The contents of a bundle, by its `SHA256SUMS`.
    Bundle,
    /// The program `vgpu-installer`.
    Installer,
    /// A new policy.
    Policy,
    /// The report of a host.
    Report,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Bundle, Self::Installer, Self::Policy, Self::Report];

    /// Returns the namespace of this role for `ssh-keygen -Y sign -n` and `-Y verify -n`.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Bundle => "vgpu-bundle",
            Self::Installer => "vgpu-installer",
            Self::Policy => "vgpu-policy",
            Self::Report => "vgpu-report",
        }
    }

    /// Returns the role with this namespace.
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

/// A namespace belongs to no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown namespace `{0}`: use vgpu-bundle, vgpu-installer, vgpu-policy or vgpu-report")]
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
