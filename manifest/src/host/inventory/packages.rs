//! Package sources and installed packages.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Name;
use crate::types::PackageVersion;
use crate::types::text::{is_lower, is_word};
use crate::{HostPath, text};

/// One line of a `.list` file or one stanza of a `.sources` file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AptSource {
    /// The file that declares it.
    pub file: HostPath,
    /// Its index in the file, from 0.
    pub index: u32,
    /// Whether apt uses it.
    pub state: SourceState,
    /// The kinds of packages that it provides.
    pub kinds: BTreeSet<SourceKind>,
    /// The addresses of the repository.
    pub uris: Vec<AptUri>,
    /// `bookworm`, `bookworm-security`, or a path that ends in `/`.
    pub suites: Vec<Name>,
    /// `main`, `contrib`.
    pub components: Vec<Name>,
    /// The keys that must have signed it, if it names any.
    pub signed_by: Option<SignedBy>,
}

/// Whether apt uses a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// It is used.
    Enabled,
    /// It has `Enabled: no`.
    Disabled,
}

/// A kind of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Binary packages.
    Deb,
    /// Source packages.
    DebSrc,
}

/// The keys that must have signed a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SignedBy {
    /// The keys in this file.
    File(HostPath),
    /// A key in the stanza itself, or one that is named by its fingerprint.
    Inline,
}

text! {
    /// The address of a package repository. It cannot contain a user name, a password or a query.
    AptUri,
    "the address of a package repository",
    "a scheme, a colon and printable ASCII without `@`, `?`, `#` and quotes, at most 500 bytes",
    |text| {
        let safe = |b: u8| b.is_ascii_graphic() && !b"@?#\"'`<>\\".contains(&b);
        let scheme = text.split_once(':').is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase() || b == b'+')
        });
        scheme && text.len() <= 500 && text.bytes().all(safe)
    }
}

/// A package that dpkg lists, of which at least configuration files exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: PackageName,
    /// Its architecture: `amd64`, `all`.
    pub arch: Name,
    /// Its version.
    pub version: PackageVersion,
    /// Its desired state.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub want: Want,
    /// Its actual state.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub state: PackageState,
    /// The reason for its installation.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub mark: Mark,
}

/// The desired state of a package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Want {
    /// Installed.
    #[default]
    Install,
    /// Installed in exactly this version.
    Hold,
    /// Removed.
    Deinstall,
    /// Removed with its configuration files.
    Purge,
    /// Not set.
    Unknown,
}

/// The actual state of a package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PackageState {
    /// Installed and configured.
    #[default]
    Installed,
    /// Only its configuration files exist.
    ConfigFiles,
    /// Unpacking was interrupted.
    HalfInstalled,
    /// Unpacked, not configured.
    Unpacked,
    /// Configuration failed or was interrupted.
    HalfConfigured,
    /// It waits for another package's triggers.
    TriggersAwaited,
    /// Its own triggers have yet to run.
    TriggersPending,
}

/// The reason for the installation of a package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It was requested.
    #[default]
    Manual,
    /// It is a dependency of another package.
    Auto,
}

fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

text! {
    /// The name of a Debian package: `proxmox-headers-6.8.12-43-pve`.
    PackageName,
    "the name of a package",
    "lower-case letters, digits and `+.-`, at most 128 bytes",
    |text| is_word(text, 128, is_lower, |b| is_lower(b) || b"+.-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_carry_credentials() {
        for good in ["http://mirror.example/debian", "file:/srv/debs", "cdrom:[Debian]/"] {
            assert!(good.parse::<AptUri>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/srv",
            "http://me:pw@mirror.example/",
            "https://mirror.example/?token=1",
            "http://a b/",
            "HTTP://a/",
            "http://é/",
        ] {
            assert!(bad.parse::<AptUri>().is_err(), "{bad}");
        }
    }

    #[test]
    fn default_values_are_left_out() {
        let json = r#"{"name":"dkms","arch":"all","version":"3.0.10-8"}"#;
        let package: Package = serde_json::from_str(json).unwrap();
        assert_eq!(package.state, PackageState::Installed);
        assert_eq!(serde_json::to_string(&package).unwrap(), json);
        let held = Package { want: Want::Hold, mark: Mark::Auto, ..package };
        assert!(serde_json::to_string(&held).unwrap().ends_with(r#""want":"hold","mark":"auto"}"#));
    }

    #[test]
    fn names_follow_debian_policy() {
        for bad in ["", "A", "a_b", "-a", "a b", "a/../b"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad}");
        }
        assert!("g++-12".parse::<PackageName>().is_ok());
    }
}
