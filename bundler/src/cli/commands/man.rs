use std::io;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use vgpu_manifest::ui::help::Manual;

use super::Context;
use crate::cli::{MANUAL, command};

/// Write the manual pages, one for the program and one for each command.
///
/// Read them with `man -l DIR/vgpu-bundler.1`, or write them to `~/.local/share/man/man1`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output folder
    #[arg(value_name = "DIR")]
    folder: Utf8PathBuf,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let folder = &self.folder;
        let pages = manual_pages(command(), &MANUAL, folder);
        pages.with_context(|| format!("cannot write the pages to `{folder}`"))?;
        context.ui.note(format_args!("wrote the pages to `{folder}`; `man -l` shows one"));
        Ok(())
    }
}

/// Writes the manual pages of a program, one for each command, to `folder`.
///
/// # Errors
///
/// The folder cannot be created, or a page cannot be written.
pub fn manual_pages(command: Command, manual: &Manual, folder: &Utf8Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let program = command.get_name().to_owned();
    write_page(&command, manual, &program, "", folder)
}

fn write_page(
    command: &Command,
    manual: &Manual,
    program: &str,
    path: &str,
    folder: &Utf8Path,
) -> io::Result<()> {
    // Building the command has set the display name to that of the page, such as
    // `vgpu-bundler-key-list`.
    let name = command.get_display_name().unwrap_or(program).to_owned();
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut own = Roff::new();
    own.control("SH", ["EXAMPLES"]);
    own.control("nf", []);
    for line in manual.examples_of(path) {
        own.text([roman(format!("{program} {line}"))]);
    }
    own.control("fi", []);
    let lists = [
        ("FILES", manual.files),
        ("ENVIRONMENT", manual.environment),
        ("EXIT STATUS", manual.exit_status),
    ];
    for (title, rows) in lists {
        own.control("SH", [title]);
        for (term, text) in rows {
            own.control("TP", []);
            own.text([bold(*term)]);
            own.text([roman(*text)]);
        }
    }
    own.to_writer(&mut page)?;
    std::fs::write(folder.join(format!("{name}.1")), page)?;
    for sub in command.get_subcommands() {
        let path = format!("{path} {}", sub.get_name());
        write_page(sub, manual, program, path.trim_start(), folder)?;
    }
    Ok(())
}
