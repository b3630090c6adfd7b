use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, ItemName, Mode};

use super::{Goal, StepError};
use crate::act::Journal;
use crate::host::{Content, HostError, Look, Meta, Piece};
use crate::iso::{Image, IsoError, Part, Place, SECTOR, VolumeLabel};
use crate::ui::Date;

/// Make a CD image with what guests need, where Proxmox VE offers it to them.
///
/// It is made of items of the store and of small texts, so no driver is ever in memory. All of it
/// follows from what stands here, so the same step makes the same bytes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuestImage {
    /// Where the image goes.
    pub path: HostPath,
    /// What Proxmox VE calls the storage that this is in.
    pub storage: String,
    /// When everything in it was made, in seconds since 1970: the bundle's own time.
    pub made: i64,
    /// What is in it.
    pub files: Vec<GuestFile>,
}

/// A file in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuestFile {
    /// Where guests find it.
    pub place: Place,
    /// What it is.
    pub from: GuestSource,
}

/// What a file in the image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum GuestSource {
    /// An item of the bundle.
    Item {
        /// Its name there, for people.
        name: ItemName,
        /// What it is, by which the store has it.
        content: Content,
    },
    /// A small text.
    Text(String),
}

impl GuestSource {
    fn size(&self) -> u64 {
        match self {
            Self::Item { content, .. } => content.size,
            Self::Text(text) => text.len() as u64,
        }
    }

    fn piece(&self) -> Piece {
        match self {
            Self::Item { content, .. } => Piece::Stored(*content),
            Self::Text(text) => Piece::Bytes(text.clone().into_bytes()),
        }
    }
}

/// What guests see the medium called.
const LABEL: &str = "VGPU_GUEST";

impl GuestImage {
    /// The image in its pieces: what the format needs, and the files with zeros after each.
    pub fn pieces(&self) -> Result<Vec<Piece>, IsoError> {
        let label: VolumeLabel = LABEL.parse().map_err(IsoError::Name)?;
        let files: Vec<_> = self
            .files
            .iter()
            .map(|file| (file.place.clone(), file.from.size(), &file.from))
            .collect();
        let image = Image::new(&label, Date(self.made), &files)?;
        let mut pieces = Vec::new();
        for part in image.parts {
            match part {
                Part::Bytes(bytes) => pieces.push(Piece::Bytes(bytes)),
                Part::File { file, size } => {
                    pieces.push(file.piece());
                    let zeros = size.next_multiple_of(SECTOR) - size;
                    if zeros > 0 {
                        let zeros = usize::try_from(zeros).unwrap_or_default();
                        pieces.push(Piece::Bytes(vec![0; zeros]));
                    }
                }
            }
        }
        Ok(pieces)
    }

    /// The command that gives a guest the image.
    #[must_use]
    pub fn attach(&self) -> String {
        let name = self.path.as_path().file_name().unwrap_or_default();
        format!("qm set VMID --ide2 {}:iso/{name},media=cdrom", self.storage)
    }

    fn is_there(&self, look: &dyn Look, pieces: &[Piece]) -> Result<bool, HostError> {
        let wanted: Vec<_> = pieces.iter().map(Piece::content).collect();
        let lengths: Vec<_> = wanted.iter().map(|content| content.size).collect();
        let there = look.pieces(&self.path, &lengths)?;
        Ok(there.is_some_and(|there| there == (Meta::root(Mode::FILE), wanted)))
    }
}

impl Goal for GuestImage {
    fn summary(&self) -> String {
        let items = self.files.iter().filter(|it| matches!(it.from, GuestSource::Item { .. }));
        format!("make {} with {} drivers for guests", self.path, items.count())
    }

    fn why(&self) -> String {
        format!(
            "A guest needs a driver of its own, and has no network to get it by. Attach the image \
             with `{}`; README.txt in it says what is what.",
            self.attach()
        )
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(self.is_there(look, &self.pieces()?)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        Ok(journal.put_pieces(&self.path, &self.pieces()?, Meta::root(Mode::FILE))?)
    }
}
