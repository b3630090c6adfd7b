use serde::{Deserialize, Serialize};

use super::Name;
use crate::text::{is_lower, is_word, text};

/// A package that dpkg knows, of which at least configuration files are there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: PackageName,
    /// Its architecture: `amd64`, `all`.
    pub arch: Name,
    /// Its version.
    pub version: PackageVersion,
    /// What shall become of it.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub want: Want,
    /// What is there of it.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub state: PackageState,
    /// Why it is there.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub mark: Mark,
}

/// What shall become of a package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Want {
    /// It shall be there.
    #[default]
    Install,
    /// It shall be there in this very version.
    Hold,
    /// It shall go.
    Deinstall,
    /// It shall go with its configuration files.
    Purge,
    /// Nobody has said.
    Unknown,
}

/// What is there of a package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageState {
    /// All of it, and it works.
    #[default]
    Installed,
    /// Only its configuration files.
    ConfigFiles,
    /// Unpacking was cut short.
    HalfInstalled,
    /// Its files; it was never configured.
    Unpacked,
    /// Configuring failed or was cut short.
    HalfConfigured,
    /// It waits for another package's triggers.
    TriggersAwaited,
    /// Its own triggers have yet to run.
    TriggersPending,
}

/// Why a package is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Somebody asked for it.
    #[default]
    Manual,
    /// Another package needed it.
    Auto,
}

/// Whether a field need not be written.
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

text! {
    /// The version of a Debian package: `1:3.0.10-8+deb12u1`.
    PackageVersion,
    "the version of a package",
    "starts with a digit; letters, digits and `.+~:-`, at most 128 bytes",
    |text| {
        let rest = |b: u8| b.is_ascii_alphanumeric() || b".+~:-".contains(&b);
        is_word(text, 128, |b| b.is_ascii_digit(), rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_left_out() {
        let json = r#"{"name":"dkms","arch":"all","version":"3.0.10-8"}"#;
        let package: Package = serde_json::from_str(json).unwrap();
        assert_eq!(package.state, PackageState::Installed);
        assert_eq!(serde_json::to_string(&package).unwrap(), json);
        let held = Package { want: Want::Hold, mark: Mark::Auto, ..package };
        assert!(serde_json::to_string(&held).unwrap().ends_with(r#""want":"hold","mark":"auto"}"#));
    }

    #[test]
    fn names_and_versions_follow_debian_policy() {
        for bad in ["", "A", "a_b", "-a", "a b", "a/../b"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad}");
        }
        for bad in ["", "a1", "1 2", "1;2", "1\n"] {
            assert!(bad.parse::<PackageVersion>().is_err(), "{bad:?}");
        }
        assert!("g++-12".parse::<PackageName>().is_ok());
        assert!("1:2.3~rc1-4+b7".parse::<PackageVersion>().is_ok());
    }
}
