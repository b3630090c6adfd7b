use serde::{Deserialize, Serialize};
use vgpu_manifest::unlock::CommitId;
use vgpu_manifest::{HostPath, ItemName, Mode};

use super::{Goal, StepError, holds_text, put_text};
use crate::act::Journal;
use crate::component::Component;
use crate::host::{Command, Content, Host, HostError, Look, Meta, Work};
use crate::state::fixed;

/// The path where guides and the units of third parties expect the unlock library.
pub(crate) const LIBRARY: &str = "/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so";

/// The size limit for the library: known ones have 1 MiB.
const MAX_LIBRARY: u64 = 32 << 20;

/// Builds the unlock library on this host, offline, from sources that include all dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct BuildUnlock {
    /// The sources to build.
    pub(crate) source: UnlockSource,
    /// The commit of the sources, which is recorded next to the library.
    pub(crate) commit: CommitId,
}

/// Sources in the bundle, as a compressed tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct UnlockSource {
    /// The item's name in the bundle, for display.
    pub(crate) item: ItemName,
    /// The digest and size by which the store finds it.
    pub(crate) content: Content,
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
        "The bundle has no prebuilt library, or it requires a newer C library than this host \
         has. The bundle's sources include everything needed for an offline build."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let library = look.stat(&fixed(LIBRARY))?;
        Ok(library.is_some_and(|stat| stat.size > 0)
            && holds_text(look, &Self::mark(), &self.mark_text())?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        // The commit file is written last: it confirms that the library was built from this commit.
        if let Some(bytes) = build(journal.host(), self.source.content)? {
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

/// Unpacks the sources, compiles them with the host's own tools, and returns the library; `None`
/// where commands do not run.
///
/// The signed sources include every crate, so that `--locked` and `--offline` work; the compiler's
/// files stay in the work area.
fn build(host: &mut dyn Host, source: Content) -> Result<Option<Vec<u8>>, HostError> {
    let mut work = Work::fresh(host, "unlock")?;
    for dir in ["source", "target", "home"] {
        work.dir(dir)?;
    }
    work.link(source, "source.tar.zst", Mode::FILE)?;
    let [archive, folder, target, home] =
        ["source.tar.zst", "source", "target", "home"].map(|name| work.path(name).to_string());
    let unpack = ["--extract", "--zstd", "--no-same-owner", "--file", &archive, "--directory"];
    work.run(&Command::new("tar", &[&unpack[..], &[&folder]].concat()))?;
    let folder = root_of(&work, folder)?;
    let words = [
        &format!("--chdir={folder}"),
        &format!("CARGO_HOME={home}"),
        &format!("CARGO_TARGET_DIR={target}"),
        "cargo",
        "build",
        "--release",
        "--offline",
        "--locked",
    ];
    work.run(&Command::new("env", &words))?;
    let library = work.path("target/release/libvgpu_unlock_rs.so");
    let bytes = work.look().read_up_to(&library, MAX_LIBRARY)?;
    work.done()?;
    Ok(bytes)
}

/// Returns the folder with the `Cargo.toml`: the root of the archive, or its only folder.
fn root_of(work: &Work<'_>, folder: String) -> Result<String, HostError> {
    let root = work.path("source");
    let names = work.look().list(&root)?.unwrap_or_default();
    Ok(match names.as_slice() {
        [only] => format!("{folder}/{only}"),
        _ => folder,
    })
}
