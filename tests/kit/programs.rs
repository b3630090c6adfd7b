//! The bundler and the installer, without a second build.
//!
//! A test or the demo starts its own executable again under the name of a program, and
//! [`become_named_program`] runs that program in the new process. Therefore one build suffices, and
//! the real program runs from its first line.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitCode};

use camino::{Utf8Path, Utf8PathBuf};

/// A program of this project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `vgpu-bundler`.
    Bundler,
    /// `vgpu-installer`.
    Installer,
}

impl Program {
    /// Returns the name of the command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bundler => "vgpu-bundler",
            Self::Installer => "vgpu-installer",
        }
    }
}

/// Runs a program of this project if this process was started under its name.
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
    /// Creates links to `executable`, whose `main` calls [`become_named_program`], in `folder`.
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

    /// Returns the path of the link of `program`.
    #[must_use]
    pub fn path(&self, program: Program) -> Utf8PathBuf {
        self.folder.join(program.name())
    }

    /// Returns a command that runs `program`.
    #[must_use]
    pub fn command(&self, program: Program) -> Command {
        Command::new(self.path(program))
    }
}
