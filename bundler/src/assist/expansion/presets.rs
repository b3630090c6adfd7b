//! The package archives that a recipe can name without describing them.
//!
//! The fingerprints are of the keys with which Debian and Proxmox sign their releases. GnuPG
//! computed each of them from the key itself:
//!
//! * Debian: the package `debian-archive-keyring` 2023.3+deb12u2 of Debian 12, files
//!   `/usr/share/keyrings/debian-archive-CODENAME-{automatic,security-automatic,stable}.gpg`.
//! * Proxmox, bullseye and bookworm: the source of the package `proxmox-archive-keyring` 3.0, files
//!   `debian/proxmox-release-CODENAME.gpg`. Their SHA-512 digests are those that Proxmox publishes
//!   in `proxmox/pve-docs`, `pve-package-repos.adoc` at commit 84f43eb, section `SecureApt`.
//! * Proxmox, trixie: `bravellian/apt-repo-catalog` at commit ccc5c78, file
//!   `keys/proxmox-archive-keyring-trixie.asc`, user ID "Proxmox Trixie Release Key". That is a copy
//!   by a third party; a search found the same fingerprint in ten more public repositories, but no
//!   file whose digest Proxmox publishes.

use vgpu_manifest::platform::PveSeries;

vgpu_manifest::words! {
    /// An archive that a recipe can name.
    Preset, "a known archive", {
        /// Debian's release, and its updates between point releases.
        Debian = "debian",
        /// Debian's security updates.
        DebianSecurity = "debian-security",
        /// Proxmox VE for everyone.
        PveNoSubscription = "pve-no-subscription",
        /// Proxmox VE for subscribers, with a login.
        PveEnterprise = "pve-enterprise",
    }
}

/// A suite of an archive for one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suite {
    /// The name of the archive in lock and bundle.
    pub(super) name: String,
    /// The folder below `dists/`.
    pub(super) folder: String,
    pub(super) component: &'static str,
    /// The fingerprints of the keys that sign it.
    pub(super) signed_by: &'static [&'static str],
}

/// The release keys of Debian and Proxmox for one Debian release.
struct Keys {
    /// Debian Archive Automatic Signing Key.
    automatic: &'static [&'static str],
    /// The automatic key, and Debian Stable Release Key.
    release: &'static [&'static str],
    /// Debian Security Archive Automatic Signing Key.
    security: &'static [&'static str],
    /// Proxmox Release Key.
    proxmox: &'static [&'static str],
    /// The names under which Proxmox publishes keyrings with that key, in the folder above the
    /// archive; from the same section as the digests.
    keyrings: &'static [&'static str],
}

const BULLSEYE: Keys = Keys {
    automatic: &["1F89983E0081FDE018F3CC9673A4F27B8DD47936"],
    release: &[
        "1F89983E0081FDE018F3CC9673A4F27B8DD47936",
        "A4285295FC7B1A81600062A9605C66F00D6C9793",
    ],
    security: &["AC530D520F2F3269F5E98313A48449044AAD5C5D"],
    proxmox: &["28139A2F830BD68478A1A01FDD4BA3917E23BF59"],
    keyrings: &["proxmox-release-bullseye.gpg"],
};

const BOOKWORM: Keys = Keys {
    automatic: &["B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"],
    release: &[
        "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
        "4D64FEC119C2029067D6E791F8D2585B8783D481",
    ],
    security: &["05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0"],
    proxmox: &["F4E136C67CDCE41AE6DE6FC81140AF8F639E0C39"],
    keyrings: &["proxmox-release-bookworm.gpg"],
};

const TRIXIE: Keys = Keys {
    automatic: &["04B54C3CDCA79751B16BC6B5225629DF75B188BD"],
    release: &[
        "04B54C3CDCA79751B16BC6B5225629DF75B188BD",
        "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
    ],
    security: &["5E04A1E3223A19A20706E20F9904613D4CCE68C6"],
    proxmox: &["24B30F06ECC1836A4E5EFECBA7BCD1420BFE778E"],
    keyrings: &["proxmox-archive-keyring-trixie.gpg", "proxmox-release-trixie.gpg"],
};

fn keys(pve: PveSeries) -> Keys {
    match pve {
        PveSeries::Seven => BULLSEYE,
        PveSeries::Eight => BOOKWORM,
        PveSeries::Nine => TRIXIE,
    }
}

impl Preset {
    /// Returns the preset for a suite of a node's sources, by its codename, what follows the
    /// codename in the suite, and a component.
    pub(super) fn of(rest: &str, component: &str) -> Option<Self> {
        match (rest, component) {
            ("" | "-updates", "main") => Some(Self::Debian),
            ("-security", "main") => Some(Self::DebianSecurity),
            ("", "pve-no-subscription") => Some(Self::PveNoSubscription),
            ("", "pve-enterprise") => Some(Self::PveEnterprise),
            _ => None,
        }
    }

    /// Returns whether it is an archive of Proxmox VE.
    pub(crate) fn is_proxmox(self) -> bool {
        matches!(self, Self::PveNoSubscription | Self::PveEnterprise)
    }

    /// Returns its suites for a release.
    pub(super) fn suites(self, pve: PveSeries) -> Vec<Suite> {
        let (keys, codename) = (keys(pve), pve.debian());
        let debian = |rest: &str, signed_by| {
            let suite = format!("{codename}{rest}");
            Suite { name: suite.clone(), folder: suite, component: "main", signed_by }
        };
        match self {
            Self::Debian => vec![debian("", keys.release), debian("-updates", keys.automatic)],
            Self::DebianSecurity => vec![debian("-security", keys.security)],
            Self::PveNoSubscription | Self::PveEnterprise => vec![Suite {
                name: self.to_string(),
                folder: codename.to_owned(),
                component: self.as_str(),
                signed_by: keys.proxmox,
            }],
        }
    }

    /// Returns the names of its keyrings in the folder above the archive; none if the archive has
    /// no keyring there.
    pub(super) fn keyrings(self, pve: PveSeries) -> &'static [&'static str] {
        if self.is_proxmox() { keys(pve).keyrings } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use vgpu_manifest::package::Fingerprint;

    use super::*;

    #[test]
    fn every_pin_is_a_fingerprint_of_one_release_and_one_purpose() {
        let mut seen = BTreeSet::new();
        for pve in PveSeries::ALL {
            let Keys { release, security, proxmox, automatic, .. } = keys(*pve);
            assert_eq!(&release[..1], automatic);
            for key in release.iter().chain(security).chain(proxmox) {
                assert!(key.parse::<Fingerprint>().is_ok(), "{key}");
                assert!(seen.insert(*key), "{key}");
            }
        }
    }

    /// Compares Debian's pins with the keyring package of this machine.
    #[test]
    fn the_pins_of_debian_are_those_of_its_package() {
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--show-keys", "--with-colons", keyring]);
        let Ok(shown) = gpg.output() else {
            assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs gpg");
            eprintln!("skipped: needs gpg");
            return;
        };
        if !shown.status.success() {
            assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs debian-archive-keyring");
            eprintln!("skipped: needs debian-archive-keyring");
            return;
        }
        let shown = String::from_utf8(shown.stdout).unwrap();
        for (pve, number) in [(PveSeries::Seven, 11), (PveSeries::Eight, 12), (PveSeries::Nine, 13)]
        {
            let codename = pve.debian();
            let Keys { release, security, .. } = keys(pve);
            let holders = [
                (release[0], format!("Debian Archive Automatic Signing Key ({number}/{codename})")),
                (release[1], format!("Debian Stable Release Key ({number}/{codename})")),
                (security[0], format!("Security Archive Automatic Signing Key ({number}/")),
            ];
            for (key, holder) in holders {
                let Some((_, rest)) = shown.split_once(&format!(":{key}:\nuid:")) else {
                    // An older package lacks the keys of newer releases.
                    assert!(!shown.contains(&holder), "{holder} has another key");
                    continue;
                };
                assert!(rest.lines().next().unwrap().contains(&holder), "{key}: {rest}");
            }
        }
    }
}
