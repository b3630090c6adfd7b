use serde::{Deserialize, Serialize};
use vgpu_manifest::{Digest, HostPath, ItemName, Mode};

use super::{Goal, StepError, holds, put_text};
use crate::act::Journal;
use crate::date::Date;
use crate::host::{Command, Content, Host, HostError, Look, Meta, Node, Verb, Work, WorkPath};
use crate::state::below_dir;

/// Makes a CD image with guest drivers in a storage where Proxmox VE offers it to guests.
///
/// `genisoimage` makes the image from items of the store; every Proxmox VE has that program, because
/// `qemu-server` makes cloud-init drives with it. The same step makes the same bytes on every node:
/// the staged files carry the bundle's time, and so do the four dates of today that `genisoimage`
/// 1.1.11 writes and has no option for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct GuestImage {
    pub(crate) path: HostPath,
    /// The name of the storage that holds it.
    pub(crate) storage: String,
    /// The time stamp of all files in it, in seconds since 1970: the time of the bundle.
    pub(crate) made: i64,
    pub(crate) files: Vec<GuestFile>,
}

/// A file in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct GuestFile {
    /// Its path in the image: a name, or a folder and a name.
    pub(crate) place: String,
    pub(crate) from: GuestSource,
}

/// The content of a file in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum GuestSource {
    /// An item of the bundle.
    Item {
        /// Its name in the bundle.
        name: ItemName,
        /// Its content, by which the store finds it.
        content: Content,
    },
    /// A short text.
    Text(String),
}

impl GuestSource {
    #[must_use]
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Item { content, .. } => content.size,
            Self::Text(text) => text.len() as u64,
        }
    }
}

/// The record next to an image: its input and its digest. A later check compares them to tell
/// whether the image is in sync, without making it again.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Record {
    made_from: Digest,
    image: Content,
}

/// The volume label that guests see.
const LABEL: &str = "VGPU_GUEST";

const WORK: &str = "guest-image";

/// The offsets of the four dates in the two volume descriptors (plain and Joliet): bytes 813 to 880
/// of sectors 16 and 17 (ECMA-119 8.4.26 to 8.4.29 and 8.5).
const DATES: [u64; 2] = [16 * 2048 + 813, 17 * 2048 + 813];

/// The approximate size of an image without its files, in bytes: descriptors, directories and
/// padding.
const OVERHEAD: u64 = 512 << 10;

impl GuestImage {
    /// Returns the command that attaches the image to a guest.
    #[must_use]
    pub(crate) fn attach(&self) -> String {
        let name = self.path.as_path().file_name().unwrap_or_default();
        format!("qm set VMID --ide2 {}:iso/{name},media=cdrom", self.storage)
    }

    /// Makes the image in the work area and returns its path; `None` where commands do not run. A
    /// rehearsal returns content of about the same size.
    fn make(&self, host: &mut dyn Host) -> Result<Option<(WorkPath, Content)>, HostError> {
        let mut work = Work::again(host, WORK);
        let [tree, image, dates] = ["tree", "image.iso", "dates"].map(|name| work.path(name));
        let genisoimage = genisoimage(&image, &tree);
        if work.is_rehearsed() {
            let size = self.files.iter().map(|file| file.from.size()).sum::<u64>() + OVERHEAD;
            return Ok(Some((image, Content { size, ..Content::of(self.made_from().as_bytes()) })));
        }
        if work.ask(&Command::new("true", &[]))?.is_none() {
            work.list(&genisoimage)?;
            return Ok(None);
        }
        let mut work = Work::fresh(host, WORK)?;
        let mut staged = self.stage(&mut work)?;
        staged.insert(0, format!("--date=@{}", self.made));
        let staged: Vec<&str> = staged.iter().map(String::as_str).collect();
        work.run(&Command::new("touch", &staged))?;
        work.run(&genisoimage)?;
        work.write("dates", &self.dates())?;
        for at in DATES {
            work.run(&overwrite(&dates, &image, at))?;
        }
        let node = work.look().node(&image)?;
        let content = node
            .as_ref()
            .and_then(Node::content)
            .ok_or_else(|| HostError::path(Verb::Read, &image, std::io::ErrorKind::NotFound))?;
        Ok(Some((image, content)))
    }

    /// Stages the files in a folder and returns the paths of the folder and of everything in it.
    fn stage(&self, work: &mut Work<'_>) -> Result<Vec<String>, HostError> {
        let mut staged = vec!["tree".to_owned()];
        work.dir("tree")?;
        for file in &self.files {
            let name = format!("tree/{}", file.place);
            if let Some((folder, _)) = name.rsplit_once('/')
                && !staged.iter().any(|it| it == folder)
            {
                work.dir(folder)?;
                staged.push(folder.to_owned());
            }
            match &file.from {
                GuestSource::Item { content, .. } => work.link(*content, &name, Mode::FILE)?,
                GuestSource::Text(text) => work.write(&name, text.as_bytes())?,
            }
            staged.push(name);
        }
        Ok(staged.iter().map(|name| work.path(name).to_string()).collect())
    }

    /// Returns the dates of creation, modification, expiration (none) and effect in the format of a
    /// volume descriptor.
    fn dates(&self) -> Vec<u8> {
        let [year, month, day, hour, minute, second] = Date(self.made).numbers();
        // ECMA-119 8.4.26.1: hundredths of a second, then the offset from UTC in quarters of an
        // hour as one byte.
        let made = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00\0");
        let never = "0000000000000000\0";
        [made.as_str(), &made, never, &made].concat().into_bytes()
    }

    fn made_from(&self) -> Digest {
        let text = serde_json::to_vec(self);
        Digest::of(&text.unwrap_or_else(|_| unreachable!("a step is plain data")))
    }

    fn record_path(&self) -> HostPath {
        let name = self.path.as_path().file_name().unwrap_or_default();
        let folder = self.path.parent().unwrap_or_else(|| self.path.clone());
        below_dir(&folder, &format!("{name}.json"))
    }
}

fn genisoimage(image: &HostPath, tree: &HostPath) -> Command {
    let [image, tree] = [image, tree].map(|path| path.as_path().as_str());
    // Directory records have local time, so set `TZ`. Without `-joliet-long`, Joliet names end
    // after 64 characters, and NVIDIA's Windows drivers have names of 74.
    let words = ["TZ=UTC", "genisoimage", "-quiet", "-iso-level", "3", "-J", "-joliet-long"];
    let more = ["-input-charset", "utf-8", "-V", LABEL, "-o", image, tree];
    Command::new("env", &[&words[..], &more].concat())
}

/// Overwrites bytes of a file in place.
fn overwrite(from: &HostPath, to: &HostPath, at: u64) -> Command {
    let words = [format!("if={from}"), format!("of={to}"), format!("seek={at}")];
    let words = words.each_ref().map(String::as_str);
    Command::new("dd", &[&words[..], &["bs=1", "conv=notrunc", "status=none"]].concat())
}

impl Goal for GuestImage {
    fn summary(&self) -> String {
        let items = self.files.iter().filter(|it| matches!(it.from, GuestSource::Item { .. }));
        format!("make {} with guest drivers: {}", self.path, items.count())
    }

    fn why(&self) -> String {
        format!(
            "Each guest needs its own driver and may have no network to download it. Attach the \
             image with `{}`; its README.txt lists the files.",
            self.attach()
        )
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let Some(bytes) = look.read(&self.record_path())? else { return Ok(false) };
        let Ok(record) = serde_json::from_slice::<Record>(&bytes) else { return Ok(false) };
        Ok(record.made_from == self.made_from()
            && holds(look, &self.path, record.image, Mode::FILE)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        // Write the record last: it marks the image as complete.
        let Some((made, image)) = self.make(journal.host())? else { return Ok(()) };
        journal.put_made(&self.path, &made, image, Meta::root(Mode::FILE))?;
        Work::again(journal.host(), WORK).done()?;
        let record = Record { made_from: self.made_from(), image };
        let text = serde_json::to_string(&record);
        let text = text.unwrap_or_else(|_| unreachable!("a record is plain data"));
        put_text(journal, &self.record_path(), &format!("{text}\n"))
    }

    fn takes_commands(&self) -> bool {
        true
    }
}
