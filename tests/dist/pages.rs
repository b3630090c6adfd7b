//! Manual pages and completions of both programs.

use std::process::Command;

use anyhow::Result;
use camino::Utf8Path;

use crate::programs::Program;
use crate::source::{Source, output, run};
use crate::{files, put};

/// The shells, and the file name of the bundler's completions for each.
const SHELLS: [(&str, &str); 3] =
    [("bash", "vgpu-bundler.bash"), ("zsh", "_vgpu-bundler"), ("fish", "vgpu-bundler.fish")];

/// Writes the pages to `man1` and `completions` below `output`.
pub(crate) fn write(source: &Source, output_dir: &Utf8Path) -> Result<()> {
    // The installer has no command for this, to stay small.
    let words = ["run", "--quiet", "--locked", "--package", "vgpu-tests", "--features", "pages"];
    let more = ["--bin", "installer-pages", "--", output_dir.as_str()];
    run(&mut source.cargo(&[&words[..], &more].concat()))?;

    let bundler = output_dir.join(Program::Bundler.name());
    let man = output_dir.join("man1");
    run(Command::new(&bundler).args(["--quiet", "man", man.as_str()]))?;
    let completions = output_dir.join("completions");
    for (shell, file) in SHELLS {
        let script = output(Command::new(&bundler).args(["completions", shell]))?;
        let path = completions.join(file);
        put(&path, format!("{script}\n").as_bytes(), 0o644)?;
    }
    // The programs wrote them with the permissions of the umask.
    for folder in [man, completions] {
        for path in files(&folder)? {
            put(&path, &std::fs::read(&path)?, 0o644)?;
        }
    }
    Ok(())
}
