use serde::{Deserialize, Serialize};
use vgpu_manifest::unlock::CommitId;
use vgpu_manifest::{HostPath, ItemName, Mode};

use super::{Goal, StepError, holds_text, put_text};
use crate::act::Journal;
use crate::component::Component;
use crate::host::{Content, Look, Meta};
use crate::state::fixed;
use crate::unlock;

/// Where the unlock library lies: where everybody's instructions look for it.
pub const LIBRARY: &str = "/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so";

/// Build the unlock library on this host, from sources that bring all that they need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BuildUnlock {
    /// The sources.
    pub source: UnlockSource,
    /// The commit that they are, which is written down beside the library.
    pub commit: CommitId,
}

/// Sources in the bundle, as a compressed tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnlockSource {
    /// The item's name in the bundle, for people.
    pub item: ItemName,
    /// What it is, by which the store has it.
    pub content: Content,
}

impl BuildUnlock {
    fn mark() -> HostPath {
        fixed("/opt/vgpu_unlock-rs/COMMIT")
    }

    fn mark_text(&self) -> String {
        format!("{}\n", self.commit.as_str())
    }
}

impl Goal for BuildUnlock {
    fn summary(&self) -> String {
        format!("build {LIBRARY} from `{}`", self.source.item)
    }

    fn why(&self) -> String {
        "The library that the bundle brings ready is too new for this host's C library, or there \
         is none, and the sources in the bundle bring all that building them takes."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let library = look.stat(&fixed(LIBRARY))?;
        Ok(library.is_some_and(|stat| stat.size > 0)
            && holds_text(look, &Self::mark(), &self.mark_text())?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        // The mark last: with it, the library is the one of this commit.
        if let Some(bytes) = unlock::build(journal.host(), self.source.content)? {
            journal.put_bytes(&fixed(LIBRARY), &bytes, Meta::root(Mode::FILE))?;
        }
        put_text(journal, &Self::mark(), &self.mark_text())
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn component(&self) -> Component {
        Component::Unlock
    }
}
