use vgpu_manifest::PartSize;

use crate::size::ByteSize;

pub(crate) fn part_size(text: &str) -> Result<PartSize, String> {
    let size: ByteSize =
        text.parse().map_err(|error: crate::size::ParseSizeError| error.to_string())?;
    PartSize::new(size.bytes()).ok_or_else(|| "a part must have a multiple of 4 MiB".to_owned())
}
