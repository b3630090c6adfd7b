use vgpu_manifest::PartSize;

use vgpu_manifest::ui::ByteSize;

pub(crate) fn part_size(text: &str) -> Result<PartSize, String> {
    let size: ByteSize =
        text.parse().map_err(|error: vgpu_manifest::ui::ParseSizeError| error.to_string())?;
    PartSize::new(size.bytes()).ok_or_else(|| "a part must have a multiple of 4 MiB".to_owned())
}
