//! Building the unlock library on the node, without a network.

use crate::host::{Command, Content, Host, HostError, Work};
use vgpu_manifest::Mode;

/// The size limit for the library: known ones have 1 MiB.
const MAX_LIBRARY: u64 = 32 << 20;

/// Unpacks the sources, compiles them with the host's own tools, and returns the library; `None`
/// where commands do not run.
///
/// The signed sources include every crate, so that `--locked` and `--offline` work; the compiler's
/// files stay in the work area.
pub(crate) fn build(host: &mut dyn Host, source: Content) -> Result<Option<Vec<u8>>, HostError> {
    let mut work = Work::fresh(host, "unlock")?;
    for dir in ["source", "target", "home"] {
        work.dir(dir)?;
    }
    work.link(source.id, "source.tar.zst", Mode::FILE)?;
    let [archive, folder, target, home] =
        ["source.tar.zst", "source", "target", "home"].map(|name| work.path(name).to_string());
    let unpack = ["--extract", "--zstd", "--no-same-owner", "--file", &archive, "--directory"];
    work.run(&Command::new("tar", &[&unpack[..], &[&folder]].concat()))?;
    let folder = root_of(&work, folder)?;
    let words = [
        &format!("--chdir={folder}"),
        &format!("CARGO_HOME={home}"),
        &format!("CARGO_TARGET_DIR={target}"),
        "cargo",
        "build",
        "--release",
        "--offline",
        "--locked",
    ];
    work.run(&Command::new("env", &words))?;
    let library = work.path("target/release/libvgpu_unlock_rs.so");
    let bytes = work.look().read_up_to(&library, MAX_LIBRARY)?;
    work.done()?;
    Ok(bytes)
}

/// Returns the folder with the `Cargo.toml`: the root of the archive, or its only folder.
fn root_of(work: &Work<'_>, folder: String) -> Result<String, HostError> {
    let root = work.path("source");
    let names = work.look().list(&root)?.unwrap_or_default();
    Ok(match names.as_slice() {
        [only] => format!("{folder}/{only}"),
        _ => folder,
    })
}
