//! The images for the engine tests.

use camino::Utf8Path;
use vgpu_tests::oci::{Compression, Format, ImageSpec, Layout};

use crate::image::pulled::Scene;

/// In every supported compression.
pub(crate) const ALL: &[Compression] = &[Compression::Gzip, Compression::None, Compression::Zstd];
/// In the compressions that Docker has always supported.
pub(crate) const OLD: &[Compression] = &[Compression::Gzip, Compression::None];

/// Returns images of several sizes and forms, each as an archive from a bundle, with its name.
pub(crate) fn each(scene: &Scene, packed: &[Compression], act: impl Fn(&Utf8Path, &str, usize)) {
    for (count, format) in [(1, Format::Docker), (3, Format::Oci), (40, Format::Docker)] {
        let tag = format!("v{count}");
        let compression = if format == Format::Oci { packed } else { &OLD[..1] };
        let image = ImageSpec::numbered(count).marked(&tag).packed(compression);
        let layout = Layout::of_image(&scene.scratch.path(&tag), &tag, &image).unwrap();
        scene.push(&layout, &tag, format);
        let name = scene.name(&tag);
        act(&scene.through(&name), &name, count);
    }
}
