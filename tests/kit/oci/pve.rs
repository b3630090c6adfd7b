//! The requirements of Proxmox VE 9.1 for an archive from which it creates a container.
//!
//! Written from the description of its rules (pve-container 6.0.15 and its library): the archive's
//! name and listing, exactly one manifest in the index, and OCI media types only.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use camino::Utf8Path;
use serde_json::Value;
use vgpu_manifest::Digest;

/// The parts of the resulting container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The digest of the manifest.
    pub manifest: Digest,
    /// Its configuration.
    pub config: Value,
    /// Its layers as they are in the archive, the lowest first.
    pub layers: Vec<Vec<u8>>,
}

/// Checks the archive `path` as Proxmox VE 9.1 does; an error names the violated rule.
///
/// The archive is read into memory, so this is for small ones.
pub fn accepted_by_pve(path: &Utf8Path) -> Result<Accepted, String> {
    if path.extension() != Some("tar") {
        return Err(format!("`{path}` does not end in `.tar`"));
    }
    let members = members(path)?;
    let layout = json(&members, "oci-layout")?;
    if layout["imageLayoutVersion"] != "1.0.0" {
        return Err("another version of the layout".to_owned());
    }
    let index = json(&members, "index.json")?;
    let [entry] = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("the index does not have one manifest".to_owned());
    };
    typed(entry, &["application/vnd.oci.image.manifest.v1+json"])?;
    let bytes = blob(&members, entry)?;
    let manifest: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    typed(&manifest["config"], &["application/vnd.oci.image.config.v1+json"])?;
    let config = serde_json::from_slice(blob(&members, &manifest["config"])?)
        .map_err(|error| error.to_string())?;
    let mut layers = Vec::new();
    for layer in manifest["layers"].as_array().ok_or("no layers")? {
        typed(
            layer,
            &[
                "application/vnd.oci.image.layer.v1.tar",
                "application/vnd.oci.image.layer.v1.tar+gzip",
                "application/vnd.oci.image.layer.v1.tar+zstd",
            ],
        )?;
        layers.push(blob(&members, layer)?.clone());
    }
    Ok(Accepted { manifest: Digest::of(bytes), config, layers })
}

/// Returns the members as a listing shows them: no compression, no `./` before a name.
fn members(path: &Utf8Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let say = |error: std::io::Error| format!("not an uncompressed archive: {error}");
    let mut archive = tar::Archive::new(File::open(path).map_err(say)?);
    let mut members = BTreeMap::new();
    for entry in archive.entries().map_err(say)? {
        let mut entry = entry.map_err(say)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(say)?;
        members.insert(name, bytes);
    }
    let has_blobs = members.keys().any(|name| name.starts_with("blobs/"));
    if has_blobs { Ok(members) } else { Err("nothing begins with `blobs/`".to_owned()) }
}

fn json(members: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<Value, String> {
    let bytes = members.get(name).ok_or_else(|| format!("no member is called `{name}`"))?;
    serde_json::from_slice(bytes).map_err(|error| format!("{name}: {error}"))
}

fn typed(descriptor: &Value, allowed: &[&str]) -> Result<(), String> {
    match descriptor["mediaType"].as_str() {
        Some(media_type) if allowed.contains(&media_type) => Ok(()),
        other => Err(format!("the type {other:?} is not taken")),
    }
}

/// Returns the blob of a descriptor after checking its digest and length.
fn blob<'m>(
    members: &'m BTreeMap<String, Vec<u8>>,
    descriptor: &Value,
) -> Result<&'m Vec<u8>, String> {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    let hex = digest.strip_prefix("sha256:").ok_or_else(|| format!("the digest {digest}"))?;
    let bytes = members
        .get(&format!("blobs/sha256/{hex}"))
        .ok_or_else(|| format!("{digest} is not in the archive"))?;
    if Digest::of(bytes).to_string() != hex || descriptor["size"] != bytes.len() {
        return Err(format!("{digest} is not what it says"));
    }
    Ok(bytes)
}
