use vgpu_manifest::Digest;
use vgpu_manifest::ui::ByteSize;

use super::Platform;

/// Why what a registry has is not an image that can be carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Fault {
    /// It is not the JSON of a manifest.
    #[error("it is not a manifest: {}", .0.escape_debug())]
    Syntax(String),
    /// It can be read as two things.
    #[error(
        "it can be read as a list of images and as an image, which is how programs are made to disagree about it"
    )]
    Ambiguous,
    /// It has the form that was given up because it does not say what is unpacked.
    #[error(
        "it is in Docker's old form, schema 1, which cannot be checked; have it pushed again with a newer program"
    )]
    Schema1,
    /// It says that it is something else.
    #[error("its type is `{}`, which is not that of an image", .0.escape_debug())]
    Type(String),
    /// Its configuration is not that of a container.
    #[error(
        "its configuration has the type `{}`, so it is something else than a container image",
        .0.escape_debug()
    )]
    ConfigType(String),
    /// A layer is of a kind that cannot be carried.
    #[error("layer {at} has the type `{}`, which engines do not unpack", .media_type.escape_debug())]
    LayerType {
        /// Which, from 1.
        at: usize,
        /// What it says.
        media_type: String,
    },
    /// A layer may not be handed on.
    #[error(
        "layer {0} is one that its maker does not let others hand on, so no bundle can have it"
    )]
    Foreign(usize),
    /// A digest is of another kind, or none.
    #[error("`{}` is not a digest that can be checked: expected `sha256:` and 64 lower-case hex digits", .0.escape_debug())]
    Digest(String),
    /// The same bytes are said to have two lengths.
    #[error("it says two sizes for {0}")]
    TwoSizes(Digest),
    /// It is for other machines.
    #[error("it is not there for {wanted}, but for {}", .there.join(", ").escape_debug())]
    NoPlatform {
        /// What is wanted.
        wanted: Platform,
        /// What is there; the first few.
        there: Vec<String>,
    },
    /// It is an image, but for another machine.
    #[error("it is for {}, not for {wanted}", .actual.escape_debug())]
    OtherPlatform {
        /// What is wanted.
        wanted: Platform,
        /// What it says.
        actual: String,
    },
    /// The list of images leads to another list.
    #[error("its list of images leads to another list, which engines do not follow")]
    Nested,
    /// It has no layers.
    #[error("it has no layers, so there is nothing to run")]
    Empty,
    /// It has more layers than an engine mounts.
    #[error("it has {count} layers, more than the {max} that engines can mount")]
    TooManyLayers {
        /// How many.
        count: usize,
        /// The most.
        max: usize,
    },
    /// It is larger than may be.
    #[error("it has at least {}, more than the {max} allowed", ByteSize::new(*.size))]
    TooLarge {
        /// Its size as far as it was added up, in bytes.
        size: u64,
        /// The most.
        max: ByteSize,
    },
    /// Its configuration is too large to be one.
    #[error("its configuration has {}, which is too much for one", ByteSize::new(*.0))]
    LargeConfig(u64),
    /// The configuration is not one.
    #[error("its configuration cannot be read: {}", .0.escape_debug())]
    Config(String),
    /// Manifest and configuration contradict each other.
    #[error("it has {layers} layers, but its configuration tells of {told}")]
    Layers {
        /// How many the manifest has.
        layers: usize,
        /// How many the configuration has.
        told: usize,
    },
}
