//! Our two programs, without building them a second time.
//!
//! A test or the demo starts its own executable again under the name of the program that it wants,
//! and [`become_named_program`] lets that process be it. So there is one build, and what runs is
//! the real program from its first line.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitCode};

use camino::{Utf8Path, Utf8PathBuf};

/// One of our programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `vgpu-bundler`.
    Bundler,
    /// `vgpu-installer`.
    Installer,
}

impl Program {
    /// The name that people type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bundler => "vgpu-bundler",
            Self::Installer => "vgpu-installer",
        }
    }
}

/// If this process was started under the name of one of our programs, be that program.
///
/// Call this first in `main`.
#[must_use]
pub fn become_named_program() -> Option<ExitCode> {
    let called = std::env::args_os().next()?;
    match Path::new(&called).file_name()?.to_str()? {
        "vgpu-bundler" => Some(vgpu_bundler::main()),
        "vgpu-installer" => Some(vgpu_installer::main()),
        _ => None,
    }
}

/// A folder with a link for each program.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: Utf8PathBuf,
}

impl Programs {
    /// Put links to `executable`, whose `main` calls [`become_named_program`], into `folder`.
    pub fn link(executable: &Utf8Path, folder: &Utf8Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        for program in [Program::Bundler, Program::Installer] {
            let link = folder.join(program.name());
            match symlink(executable, &link) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                result => result?,
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where the link of `program` is.
    #[must_use]
    pub fn path(&self, program: Program) -> Utf8PathBuf {
        self.folder.join(program.name())
    }

    /// A command that runs `program`.
    #[must_use]
    pub fn command(&self, program: Program) -> Command {
        Command::new(self.path(program))
    }
}
