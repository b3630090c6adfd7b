//! Writes the conformance kit into an empty folder: `cargo run --bin conformance-kit DIR`.

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use vgpu_tests::conformance::{INDEX, write};
use vgpu_tests::sample::Sample;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("usage: conformance-kit DIR")?;
    let folder = camino::absolute_utf8(Utf8PathBuf::from(folder))?;
    let index = write(&Sample::new()?, &folder, |_| true)?;
    eprintln!("wrote {} bundles; `{folder}/{INDEX}` has the verdicts", index.cases.len());
    Ok(())
}
