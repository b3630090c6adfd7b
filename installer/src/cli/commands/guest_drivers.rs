use serde::Serialize;

use crate::cli::{Exit, Target};
use crate::host::HostPath;
use crate::host::real::FileMemory;
use crate::plan::{Plan, runs_commands};
use crate::step::{GuestImage, GuestSource, Status, Step};
use crate::ui::{ByteSize, Format, Tone, Ui, printable};

/// Show the guest image and how to attach it to a guest.
///
/// A bundle with guest drivers places them on the node as a CD image. Exits with 5 if the image
/// has drifted.
#[derive(Debug, clap::Args)]
pub(crate) struct GuestDrivers {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Holds,
    NotMade,
    Drifted,
}

/// The guest image.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Document<'i> {
    /// The image; `null` if there is none.
    image: Option<Image<'i>>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Image<'i> {
    /// The path of the image.
    path: &'i HostPath,
    /// It is as the installer made it.
    holds: bool,
    /// The files in it.
    files: Vec<File>,
    /// The command that attaches it to a guest.
    attach: String,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct File {
    /// The name in the image.
    name: String,
    /// The size in bytes.
    size: u64,
}

impl GuestDrivers {
    pub(crate) fn run(target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.host.cache_files(FileMemory::Use);
        let Some(journaled) = target.journaled()? else { return nothing(ui) };
        let Some(tx) = journaled.current()? else { return nothing(ui) };
        let plan = Plan::parse(&tx.new.plan)?;
        let image = plan.steps().find_map(|step| match step {
            Step::GuestImage(image) => Some((step, image)),
            _ => None,
        });
        let Some((step, image)) = image else { return nothing(ui) };
        let look = journaled.look();
        let holds = step.check(look)? == Status::Done;
        let state = if holds {
            State::Holds
        } else if look.stat(&image.path)?.is_none() && !runs_commands(look)? {
            State::NotMade
        } else {
            State::Drifted
        };
        let image = Image::of(image, state);
        if ui.format() == Format::Json {
            ui.print_json(&Document { image: Some(image) })?;
        } else {
            print(&image, state, ui)?;
        }
        Ok(if holds { Exit::Done } else { Exit::Differs })
    }
}

fn nothing(ui: &Ui) -> anyhow::Result<Exit> {
    if ui.format() == Format::Json {
        ui.print_json(&Document { image: None })?;
    } else {
        ui.print(
            "no guest drivers here; add entries of kind `guest` and `windows-guest` to the \
            recipe of a bundle",
        )?;
    }
    Ok(Exit::Done)
}

impl<'i> Image<'i> {
    fn of(image: &'i GuestImage, state: State) -> Self {
        let drivers = image.files.iter().filter_map(|file| match &file.from {
            GuestSource::Item { content, .. } => {
                Some(File { name: file.place.clone(), size: content.size })
            }
            GuestSource::Text(_) => None,
        });
        let holds = state == State::Holds;
        Self { path: &image.path, holds, files: drivers.collect(), attach: image.attach() }
    }
}

fn print(image: &Image<'_>, state: State, ui: &Ui) -> std::io::Result<()> {
    let (tone, word) = match state {
        State::Holds => (Tone::Good, "holds"),
        State::NotMade => (Tone::Warn, "not made: commands are not run in this folder"),
        State::Drifted => (Tone::Bad, "drifted; apply the bundle again to fix it"),
    };
    ui.print(format_args!("{}  {}", printable(&image.path.to_string()), ui.paint(tone, word)))?;
    for File { name, size } in &image.files {
        ui.print(format_args!("  {:>10}  {}", ByteSize::new(*size), printable(name)))?;
    }
    ui.print("to attach it to the guest VMID as a CD:")?;
    ui.print(format_args!("  {}", printable(&image.attach)))
}
