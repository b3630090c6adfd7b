//! Package URLs, the common identifiers of packages.

use std::fmt::Write as _;

use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::package::PackageRecord;

/// Returns the package URL of a Debian package.
pub(super) fn deb(record: &PackageRecord) -> String {
    let [name, version] = [record.name.to_string(), record.version.to_string()];
    let arch = escaped(&record.arch.to_string());
    format!("pkg:deb/debian/{}@{}?arch={arch}", escaped(&name), escaped(&version))
}

/// Returns the package URL of a container image.
pub(super) fn oci(record: &ImageRecord) -> String {
    let reference = record.reference.to_string();
    let (repository, tag) = reference.rsplit_once(':').unwrap_or((&reference, "latest"));
    let name = repository.rsplit('/').next().unwrap_or(repository);
    format!(
        "pkg:oci/{}@sha256:{}?arch=amd64&repository_url={}&tag={}",
        escaped(name),
        record.digest,
        escaped(repository),
        escaped(tag)
    )
}

/// Returns the package URL of a crate.
pub(super) fn cargo(name: &str, version: &str) -> String {
    format!("pkg:cargo/{}@{}", escaped(name), escaped(version))
}

/// Returns `text`, percent-encoded as the package URL specification requires.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debian_package_has_its_epoch_and_its_plus() {
        let record = r#"{"name":"g++-12","arch":"amd64","version":"4:12.2.0-3+b1",
                         "reason":"needed","archive":"bookworm"}"#;
        let record: PackageRecord = serde_json::from_str(record).unwrap();
        assert_eq!(deb(&record), "pkg:deb/debian/g%2B%2B-12@4:12.2.0-3%2Bb1?arch=amd64");
    }

    #[test]
    fn what_is_special_in_a_url_is_escaped() {
        assert_eq!(cargo("libc", "0.2.1"), "pkg:cargo/libc@0.2.1");
        assert_eq!(cargo("zstd-sys", "2.0.1+zstd.1.5"), "pkg:cargo/zstd-sys@2.0.1%2Bzstd.1.5");
        assert_eq!(escaped("1:2.3~rc1/a@b?c"), "1:2.3~rc1%2Fa%40b%3Fc");
    }
}
