use std::fs;
use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use vgpu_manifest::Digest;

/// The compression of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    None,
    /// gzip, the usual compression.
    Gzip,
    /// zstd, which newer programs support.
    Zstd,
}

/// A synthetic image.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    /// Its files, layer by layer: paths and contents.
    pub layers: Vec<Vec<(String, Vec<u8>)>>,
    /// The compression of its layers, in turn.
    pub compression: Vec<Compression>,
    /// The CPU architecture.
    pub architecture: String,
    /// The runtime configuration: `Entrypoint`, `Env` and so on.
    pub run: Value,
}

/// A folder in OCI's image layout.
#[derive(Debug)]
pub struct Layout {
    folder: Utf8PathBuf,
}

/// A descriptor: the reference to a blob.
type Descriptor = Value;

impl ImageSpec {
    /// Returns an image of `count` layers, each with a unique file `layers/N` and one that all
    /// layers write.
    #[must_use]
    pub fn numbered(count: usize) -> Self {
        let layer = |n: usize| {
            let noise: Vec<u8> =
                (0..2_000_u32).flat_map(|i| (i * 7 + seed(n)).to_le_bytes()).collect();
            vec![
                (format!("layers/{n}"), noise),
                ("etc/last".to_owned(), format!("{n}\n").into_bytes()),
            ]
        };
        Self {
            layers: (1..=count).map(layer).collect(),
            compression: vec![Compression::Gzip],
            architecture: "amd64".to_owned(),
            run: json!({ "Entrypoint": ["/bin/true"], "Env": ["A=b"], "WorkingDir": "/" }),
        }
    }

    /// Returns the same image for another CPU architecture.
    #[must_use]
    pub fn on(&self, architecture: &str) -> Self {
        Self { architecture: architecture.to_owned(), ..self.clone() }
    }

    /// Returns the same image with one more file per layer, so that no program confuses the two.
    #[must_use]
    pub fn marked(&self, mark: &str) -> Self {
        let mut image = self.clone();
        for layer in &mut image.layers {
            layer.push(("mark".to_owned(), mark.as_bytes().to_vec()));
        }
        image
    }

    /// Returns the same image with other compression.
    #[must_use]
    pub fn packed(&self, compression: &[Compression]) -> Self {
        Self { compression: compression.to_vec(), ..self.clone() }
    }
}

fn seed(n: usize) -> u32 {
    u32::try_from(n).unwrap_or_default() << 16
}

impl Layout {
    /// Writes a layout in `folder` with one image, tagged `tag`.
    pub fn of_image(folder: &Utf8Path, tag: &str, image: &ImageSpec) -> io::Result<Self> {
        let layout = Self::empty(folder)?;
        let manifest = layout.image(image)?;
        layout.finish(tag, manifest)?;
        Ok(layout)
    }

    /// Writes a layout in `folder` with an index of images, tagged `tag`.
    pub fn of_index(folder: &Utf8Path, tag: &str, images: &[ImageSpec]) -> io::Result<Self> {
        let layout = Self::empty(folder)?;
        let mut entries = Vec::new();
        for image in images {
            let mut entry = layout.image(image)?;
            entry["platform"] = json!({ "os": "linux", "architecture": image.architecture });
            entries.push(entry);
        }
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
        let index = layout.document(media_type, &index)?;
        layout.finish(tag, index)?;
        Ok(layout)
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    fn empty(folder: &Utf8Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        fs::write(folder.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}")?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn finish(&self, tag: &str, mut entry: Descriptor) -> io::Result<()> {
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        let index = json!({ "schemaVersion": 2, "manifests": [entry] });
        fs::write(self.folder.join("index.json"), index.to_string())
    }

    fn image(&self, image: &ImageSpec) -> io::Result<Descriptor> {
        let (mut layers, mut ids) = (Vec::new(), Vec::new());
        for (files, how) in image.layers.iter().zip(image.compression.iter().cycle()) {
            let tar = tar_of(files)?;
            ids.push(format!("sha256:{}", Digest::of(&tar)));
            let (end, packed) = match how {
                Compression::None => ("", tar),
                Compression::Gzip => ("+gzip", gzip(&tar)?),
                Compression::Zstd => ("+zstd", zstd::encode_all(&*tar, 3)?),
            };
            let media_type = format!("application/vnd.oci.image.layer.v1.tar{end}");
            layers.push(self.blob(&media_type, &packed)?);
        }
        let config = json!({
            "architecture": image.architecture,
            "os": "linux",
            "config": image.run,
            "rootfs": { "type": "layers", "diff_ids": ids },
        });
        let config = self.document("application/vnd.oci.image.config.v1+json", &config)?;
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config,
            "layers": layers,
        });
        self.document(media_type, &manifest)
    }

    fn document(&self, media_type: &str, value: &Value) -> io::Result<Descriptor> {
        self.blob(media_type, value.to_string().as_bytes())
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> io::Result<Descriptor> {
        let digest = Digest::of(bytes);
        fs::write(self.folder.join(format!("blobs/sha256/{digest}")), bytes)?;
        let digest = format!("sha256:{digest}");
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
    }
}

/// Returns a tar archive of executable files, with their parent folders.
fn tar_of(files: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut folders: Vec<String> = Vec::new();
    for (path, bytes) in files {
        for (at, _) in path.match_indices('/') {
            let folder = &path[..=at];
            if !folders.iter().any(|known| known == folder) {
                let mut header = header(tar::EntryType::Directory, 0);
                tar.append_data(&mut header, folder, io::empty())?;
                folders.push(folder.to_owned());
            }
        }
        let mut header = header(tar::EntryType::Regular, bytes.len() as u64);
        tar.append_data(&mut header, path, &**bytes)?;
    }
    tar.into_inner()
}

fn header(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
