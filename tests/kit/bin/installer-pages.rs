//! Writes the completions and the manual of `vgpu-installer`: `cargo run --bin installer-pages DIR`.
//!
//! The installer cannot do it by itself, because it is to stay small; `vgpu-bundler` has commands
//! for its own.

use std::fs;

use anyhow::{Context, Result};
use camino::Utf8PathBuf;
use clap_complete::{Generator as _, Shell};

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("give the folder for the pages")?;
    let folder = Utf8PathBuf::from(folder);
    let (completions, man) = (folder.join("completions"), folder.join("man1"));
    for folder in [&completions, &man] {
        fs::create_dir_all(folder).with_context(|| format!("cannot create `{folder}`"))?;
    }
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let script = vgpu_bundler::completions(vgpu_installer::cli::command(), shell);
        fs::write(completions.join(shell.file_name("vgpu-installer")), script)?;
    }
    clap_mangen::generate_to(vgpu_installer::cli::command(), &man)?;
    Ok(())
}
