//! Writes the completions and the manual pages of `vgpu-installer`:
//! `cargo run --features pages --bin installer-pages DIR`.
//!
//! The installer has no command for this, to stay small. `vgpu-bundler` has its own.

use std::fs;

use anyhow::{Context, Result};
use camino::Utf8PathBuf;
use clap_complete::{Generator as _, Shell};

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("give the folder for the pages")?;
    let folder = Utf8PathBuf::from(folder);
    let (completions, man) = (folder.join("completions"), folder.join("man1"));
    fs::create_dir_all(&completions).with_context(|| format!("cannot create `{completions}`"))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let script = vgpu_bundler::completions(vgpu_installer::command(), shell);
        fs::write(completions.join(shell.file_name("vgpu-installer")), script)?;
    }
    let (command, manual) = (vgpu_installer::command(), &vgpu_installer::MANUAL);
    vgpu_bundler::manual_pages(command, manual, &man)?;
    Ok(())
}
