//! The media types of registries, of OCI and of Docker.

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// The `Accept` header for manifests. Without it, a registry may convert a manifest to an older
/// form with another digest.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Oci,
    Docker,
}

/// The kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Index,
    Manifest(Dialect),
}

impl Kind {
    /// Returns the kind for a media type, if it has one.
    pub(super) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            INDEX | DOCKER_INDEX => Some(Self::Index),
            MANIFEST => Some(Self::Manifest(Dialect::Oci)),
            DOCKER_MANIFEST => Some(Self::Manifest(Dialect::Docker)),
            _ => None,
        }
    }
}

/// Returns the dialect of a configuration; `None` if it is not that of a container.
pub(super) fn config(media_type: &str) -> Option<Dialect> {
    match media_type {
        CONFIG => Some(Dialect::Oci),
        DOCKER_CONFIG => Some(Dialect::Docker),
        _ => None,
    }
}

/// The compression of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Tar,
    Gzip,
    Zstd,
}

/// The kind of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerType {
    Known(Layer, Dialect),
    /// A layer that must not be redistributed, and that registries do not have.
    Foreign,
    Unknown,
}

/// Returns the kind of a layer with this media type.
pub(super) fn layer(media_type: &str) -> LayerType {
    match media_type {
        "application/vnd.oci.image.layer.v1.tar" => LayerType::Known(Layer::Tar, Dialect::Oci),
        "application/vnd.oci.image.layer.v1.tar+gzip" => {
            LayerType::Known(Layer::Gzip, Dialect::Oci)
        }
        "application/vnd.oci.image.layer.v1.tar+zstd" => {
            LayerType::Known(Layer::Zstd, Dialect::Oci)
        }
        "application/vnd.docker.image.rootfs.diff.tar" => {
            LayerType::Known(Layer::Tar, Dialect::Docker)
        }
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
            LayerType::Known(Layer::Gzip, Dialect::Docker)
        }
        "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
            LayerType::Known(Layer::Zstd, Dialect::Docker)
        }
        text if text.starts_with("application/vnd.docker.image.rootfs.foreign.")
            || text.starts_with("application/vnd.oci.image.layer.nondistributable.") =>
        {
            LayerType::Foreign
        }
        _ => LayerType::Unknown,
    }
}

impl Layer {
    /// Returns the OCI media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Tar => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_that_is_written_is_understood() {
        for kind in [Layer::Tar, Layer::Gzip, Layer::Zstd] {
            assert_eq!(layer(kind.media_type()), LayerType::Known(kind, Dialect::Oci));
        }
        assert_eq!(Kind::of(MANIFEST), Some(Kind::Manifest(Dialect::Oci)));
        assert_eq!(config(CONFIG), Some(Dialect::Oci));
        for foreign in [
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        ] {
            assert_eq!(layer(foreign), LayerType::Foreign);
        }
        let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
        assert_eq!(layer(encrypted), LayerType::Unknown);
    }
}
