use vgpu_manifest::Mode;

use super::apt::{self, AREA};
use super::simulation::Simulation;
use super::{PackageError, PackageFile, index};
use crate::host::{Command, Host, HostError, Work};

/// A repository in the work area, in the format that apt reads.
pub(crate) struct Area<'h>(Work<'h>);

impl<'h> Area<'h> {
    /// Creates a repository with these packages, and has apt read its index.
    pub(crate) fn with(
        host: &'h mut dyn Host,
        files: &[&PackageFile],
    ) -> Result<Self, PackageError> {
        let mut work = Work::fresh(host, AREA)?;
        for dir in ["lists", "lists/partial", "cache", "cache/archives", "cache/archives/partial"] {
            work.dir(dir)?;
        }
        work.dir("packages")?;
        work.dir(apt::HELD)?;
        work.script(&format!("{}/update-initramfs", apt::HELD), &apt::hold())?;
        for file in files {
            work.link(file.content, &format!("packages/{}", file.file_name()), Mode::FILE)?;
        }
        let list = format!("deb [trusted=yes] file:{} ./\n", work.path("packages"));
        work.write("sources.list", if files.is_empty() { b"" } else { list.as_bytes() })?;
        work.write("packages/Packages", index(files.iter().copied()).as_bytes())?;
        work.run(&apt::update())?;
        Ok(Self(work))
    }

    /// Returns the repository that was created before.
    pub(crate) fn again(host: &'h mut dyn Host) -> Self {
        Self(Work::again(host, AREA))
    }

    /// Returns apt's simulation; `None` where commands do not run.
    pub(crate) fn simulate(
        &mut self,
        command: &Command,
    ) -> Result<Option<Simulation>, PackageError> {
        let Some(output) = self.0.ask(command)? else { return Ok(None) };
        let [stdout, stderr] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        if !output.succeeded() {
            return Err(PackageError::NoWay(indent(&(stdout + &*stderr))));
        }
        Simulation::parse(&stdout).map(Some).map_err(PackageError::Unclear)
    }

    /// Removes the repository.
    pub(crate) fn done(self) -> Result<(), HostError> {
        self.0.done()
    }
}

/// Returns the last lines of a program's output, escaped for a terminal.
fn indent(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(20)..];
    last.iter().map(|line| format!("    {}", line.escape_debug())).collect::<Vec<_>>().join("\n")
}
