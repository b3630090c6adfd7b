use std::io::{self, Write};

use serde::Serialize;
use vgpu_manifest::printable;

/// Stdout could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to the standard output")]
pub(crate) struct NotPrinted(#[from] io::Error);

impl NotPrinted {
    /// Has whoever reads it seen enough?
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Print lines that were asked for. Nothing in them is obeyed by a terminal.
pub(crate) fn print<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Result<(), NotPrinted> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{}", printable(line.as_ref()))?;
    }
    Ok(out.flush()?)
}

/// Print a value as JSON, for programs.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), NotPrinted> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Print a text of our own, as it is: a script, a page.
#[cfg(feature = "pages")]
pub(crate) fn print_text(text: &[u8]) -> Result<(), NotPrinted> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    Ok(out.flush()?)
}
