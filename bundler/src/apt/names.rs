//! Item names of packages and of archive files.

use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::{ItemName, ParseTextError};

use super::index::Deb;
use super::model::Candidate;

/// Returns the item name of a package: `apt/bookworm/dkms_3.0.10-8+deb12u1_all.deb`. It follows
/// Debian's file names, with the epoch that those omit.
pub(super) fn of_package(
    release: &ArchiveName,
    candidate: &Candidate,
    deb: &Deb,
) -> Result<ItemName, ParseTextError> {
    let Candidate { name, version, arch, .. } = candidate;
    let version = version.as_str().replace(':', "%3a");
    let whole = format!("apt/{release}/{name}_{version}_{arch}.deb");
    whole.parse().or_else(|_| {
        // The name is too long for a bundle. The manifest records the package, so a digest
        // suffices.
        let name: String = name.as_str().chars().take(40).collect();
        let digest = deb.sha256.to_string();
        let release: String = release.as_str().chars().take(20).collect();
        format!("apt/{release}/{name}_{}_{arch}.deb", &digest[..12]).parse()
    })
}

/// Returns the item name of an archive file: `apt/bookworm/bookworm-security_InRelease`.
pub(super) fn of_archive(
    release: &ArchiveName,
    archive: &ArchiveName,
    file: &str,
) -> Result<ItemName, ParseTextError> {
    format!("apt/{release}/{archive}_{}", file.replace('/', "_")).parse()
}

#[cfg(test)]
mod tests {
    use vgpu_manifest::Digest;

    use super::*;
    use crate::apt::model::{Offer, Pin, Place};
    use crate::types::Stanza;

    fn name(package: &str, version: &str) -> String {
        let text = format!("Package: {package}\nVersion: {version}\nArchitecture: amd64\n");
        let offer = Offer { archive: "a".parse().unwrap(), pin: Pin(500), place: Place(0) };
        let candidate = Candidate::read(&Stanza::parse(&text).unwrap(), offer).unwrap();
        let sha256 = Digest::of(b"");
        let deb = Deb { path: "a".to_owned(), sha256, size: 0, fields: Vec::new() };
        of_package(&"bookworm".parse().unwrap(), &candidate, &deb).unwrap().to_string()
    }

    #[test]
    fn a_package_is_called_as_debian_calls_its_file() {
        assert_eq!(
            name("g++-12", "12.2.0-14+deb12u1"),
            "apt/bookworm/g++-12_12.2.0-14+deb12u1_amd64.deb"
        );
        assert_eq!(name("gcc", "4:12.2.0-3"), "apt/bookworm/gcc_4%3a12.2.0-3_amd64.deb");
        let long = "librust-".to_owned() + &"x".repeat(90);
        let item = name(&long, "1");
        assert!(item.len() <= 100 && item.ends_with("_e3b0c44298fc_amd64.deb"), "{item}");
    }

    #[test]
    fn files_of_an_archive_lie_beside_its_packages() {
        let [release, archive] = ["bookworm", "pve"].map(|text| text.parse().unwrap());
        let item = of_archive(&release, &archive, "updates/main_Packages.xz").unwrap();
        assert_eq!(item.as_str(), "apt/bookworm/pve_updates_main_Packages.xz");
    }
}
