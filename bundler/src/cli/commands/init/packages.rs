//! The packages of a proposed recipe, as its `[[apt]]` table.
//!
//! Mirrors may come from a node: a wrong mirror can only lack packages or have old ones. Keys may
//! not, because they decide trust. Without keys, the table has placeholders and `lock` refuses
//! it.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vgpu_manifest::inventory::{Inventory, Name};
use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::platform::{PveRelease, PveSeries};
use vgpu_manifest::ui::Exit;

use super::text::{list_of, quoted};
use super::{Args, without_effect};
use crate::assist::proposal::{ArchiveArg, KeysArg};
use crate::assist::proposal::{Archives, Proposal, is_proxmox};
use crate::types::LocalPath;

/// Packages that a node needs, and their archives.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Packages {
    /// The codename of the node's release, if known.
    release: Option<ArchiveName>,
    install: Vec<String>,
    #[serde(skip)]
    inventory: Option<LocalPath>,
    archives: Vec<Archive>,
    mirrors: Mirrors,
    /// Archives of the node that are skipped, each with the reason.
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Archive {
    name: ArchiveName,
    #[serde(skip)]
    arg: ArchiveArg,
    #[serde(skip)]
    keys: Option<KeysArg>,
    /// Whether `lock` will refuse the archive for lack of keys.
    lacks_keys: bool,
}

/// The confirmation of the mirrors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mirrors {
    Confirmed,
    Unconfirmed,
    Unknown,
}

/// The placeholder for missing keys.
const PLACE_FOR_KEYS: &str = "\
# keyring = \"keys/archive.gpg\"          # keyring of this archive, never taken from a node
# signed-by = [\"FINGERPRINT\"]           # its keys that may sign, obtained out of band
";

impl Packages {
    /// Returns the packages that a proposal needs; `None` if it needs none.
    pub(super) fn of(
        args: &Args,
        proposal: Option<&Proposal<'_>>,
        inventory: Option<&Inventory>,
    ) -> anyhow::Result<Option<Self>> {
        let running = inventory.and_then(|it| it.kernels.running.as_ref());
        let install: Vec<String> =
            proposal.iter().flat_map(|it| it.packages(running)).map(str::to_owned).collect();
        if install.is_empty() {
            let unused =
                [("--mirror", args.mirror.len()), ("--archive-key", args.archive_key.len())];
            return match unused.iter().find(|(_, given)| *given > 0) {
                Some((flag, _)) => Err(without_effect(flag)),
                None => Ok(None),
            };
        }
        let Archives { mut taken, left_out } = inventory.map(Archives::of).unwrap_or_default();
        if !args.mirror.is_empty() {
            let is_given = |it: &ArchiveArg| args.mirror.iter().any(|given| given.name == it.name);
            taken.retain(|archive| args.accept_mirrors && !is_given(archive));
            taken.splice(..0, args.mirror.iter().cloned());
        }
        let codename = inventory.and_then(|it| it.os.codename.as_ref());
        let of_pve = proposal.and_then(Proposal::pve).and_then(PveRelease::series);
        let codename = codename.map(Name::as_str).or(of_pve.map(PveSeries::debian));
        let release = codename.and_then(|name| name.parse().ok());
        let mirrors = match (taken.is_empty() || release.is_none(), args.confirms_mirrors()) {
            (true, _) => Mirrors::Unknown,
            (false, true) => Mirrors::Confirmed,
            (false, false) => Mirrors::Unconfirmed,
        };
        let inventory = match &args.machine.inventory {
            Some(path) => Some(seen_from(&args.recipe, path)?),
            None => None,
        };
        let archives = with_keys(taken, &args.archive_key)?;
        Ok(Some(Self { release, install, inventory, archives, mirrors, left_out }))
    }

    pub(super) fn mirrors(&self) -> Mirrors {
        self.mirrors
    }

    pub(super) fn to_confirm(&self) -> Vec<String> {
        let mut lines = vec!["Packages missing on the node:".to_owned()];
        lines.extend(self.install.iter().map(|package| format!("  {package}")));
        lines.push("Mirrors of the node:".to_owned());
        lines.extend(self.archives.iter().map(|archive| {
            let ArchiveArg { mirrors, suite, components, .. } = &archive.arg;
            let mirrors: Vec<_> = mirrors.iter().map(ToString::to_string).collect();
            let components: Vec<_> = components.iter().map(ToString::to_string).collect();
            format!("  {} {suite} {}", mirrors.join(" "), components.join(" "))
        }));
        if !self.left_out.is_empty() {
            lines.push("Skipped:".to_owned());
            lines.extend(self.left_out.iter().map(|line| format!("  {line}")));
        }
        lines
    }

    pub(super) fn to_do(&self, recipe: &Utf8Path) -> Vec<String> {
        let mut lines = Vec::new();
        match self.mirrors {
            Mirrors::Unknown => lines.push(format!(
                "the package section of `{recipe}` is commented out because no mirror is known; complete its `[[apt]]` table"
            )),
            Mirrors::Unconfirmed => lines.push(format!(
                "the package section of `{recipe}` is commented out because the mirrors of the inventory were not confirmed; \
                 check them and remove the leading `# `, or use `--accept-mirrors`"
            )),
            Mirrors::Confirmed => {}
        }
        let lacking: Vec<_> = self.archives.iter().filter(|it| it.lacks_keys).collect();
        if self.mirrors == Mirrors::Confirmed && !lacking.is_empty() {
            let names: Vec<_> = lacking.iter().map(|it| format!("`{}`", it.name)).collect();
            lines.push(format!(
                "before you run `lock`, name in `{recipe}` the signing keys of {} (see docs/PACKAGES.md)",
                names.join(", ")
            ));
        }
        if let Some(package) = self.of_proxmox().filter(|_| self.mirrors == Mirrors::Confirmed) {
            lines.push(format!(
                "`{package}` comes from Proxmox VE, but no archive seems to be one of Proxmox VE; \
                 add one with `--mirror`"
            ));
        }
        lines
    }

    /// Returns a Proxmox package that no archive seems to offer.
    fn of_proxmox(&self) -> Option<&String> {
        let mut components = self.archives.iter().flat_map(|it| &it.arg.components);
        let is_theirs =
            |it: &&String| ["proxmox-", "pve-"].iter().any(|prefix| it.starts_with(prefix));
        if components.any(is_proxmox) { None } else { self.install.iter().find(is_theirs) }
    }

    pub(super) fn text(&self) -> String {
        let mut table =
            String::from("[[apt]]                                 # docs/PACKAGES.md\n");
        let release = self.release.as_ref().map_or("CODENAME", ArchiveName::as_str);
        // Writing to a `String` cannot fail.
        let _ = writeln!(table, "release = {}", quoted(&release));
        let _ = writeln!(table, "install = {}", list_of(&self.install));
        table += "upgrades = \"never\"                      # or \"coupled\", if a new package needs it\n";
        if let Some(path) = &self.inventory {
            let _ = writeln!(table, "inventory = {}", quoted(path));
        }
        for archive in &self.archives {
            table += &archive.text();
        }
        if self.archives.is_empty() {
            let _ = write!(
                table,
                "\n[[apt.archive]]\nname = \"{release}\"\nmirror = \"https://mirror.example/debian\"\n\
                 components = [\"main\"]\n{PLACE_FOR_KEYS}"
            );
        }
        let mut text = String::from(
            "\n# Packages that the node needs. `vgpu-bundler lock` adds only those that it lacks.\n",
        );
        text.extend(self.left_out.iter().map(|line| format!("# Skipped: {line}.\n")));
        match self.mirrors {
            Mirrors::Confirmed => text + &table,
            Mirrors::Unconfirmed => {
                text + "# UNCONFIRMED MIRRORS. Check them, then remove the leading `# `:\n"
                    + &commented(&table)
            }
            Mirrors::Unknown => {
                text + "# INCOMPLETE. Add mirrors and keys, then remove the leading `# `:\n"
                    + &commented(&table)
            }
        }
    }
}

impl Archive {
    fn text(&self) -> String {
        let ArchiveArg { name, mirrors, suite, components } = &self.arg;
        let mirrors: Vec<_> = mirrors.iter().map(|it| String::from(it.clone())).collect();
        let mirrors = match &mirrors[..] {
            [only] => quoted(only),
            several => list_of(several),
        };
        let mut text = format!("\n[[apt.archive]]\nname = {}\nmirror = {mirrors}\n", quoted(name));
        if suite.as_str() != name.as_str() {
            let _ = writeln!(text, "suite = {}", quoted(suite));
        }
        let _ = writeln!(text, "components = {}", list_of(components));
        if suite.as_str().ends_with("-backports") {
            text += "priority = 100\n";
        }
        if components.iter().any(|component| component.as_str() == "pve-enterprise") {
            text += "# requires a login in ~/.netrc\n";
        }
        match &self.keys {
            Some(keys) => {
                let _ = writeln!(text, "keyring = {}", quoted(&keys.keyring));
                let _ = writeln!(text, "signed-by = {}", list_of(&keys.signed_by));
            }
            None => text += PLACE_FOR_KEYS,
        }
        text
    }
}

/// Returns the recipe as it will be with all keys filled in.
pub(super) fn completed(text: &str) -> String {
    let keys = format!("keyring = 'k'\nsigned-by = '{}'\n", "0".repeat(40));
    text.replace(PLACE_FOR_KEYS, &keys)
}

/// Comments out every line with `# `, so that removing it restores the table.
fn commented(table: &str) -> String {
    let line = |line: &str| match line {
        "" => "#\n".to_owned(),
        line => format!("# {line}\n"),
    };
    table.lines().map(line).collect()
}

fn with_keys(taken: Vec<ArchiveArg>, keys: &[KeysArg]) -> anyhow::Result<Vec<Archive>> {
    let is_taken = |keys: &&KeysArg| taken.iter().any(|archive| archive.name == keys.archive);
    if let Some(unused) = keys.iter().find(|keys| !is_taken(keys)) {
        let names: Vec<_> = taken.iter().map(|it| it.name.to_string()).collect();
        let (unused, names) = (&unused.archive, names.join(", "));
        let message =
            format!("`--archive-key` names the archive `{unused}`, but the archives are: {names}");
        return Err(Exit::Usage.error(message).into());
    }
    let archives = taken.into_iter().map(|arg| {
        let keys = keys.iter().find(|keys| keys.archive == arg.name).cloned();
        Archive { name: arg.name.clone(), lacks_keys: keys.is_none(), keys, arg }
    });
    Ok(archives.collect())
}

fn seen_from(recipe: &Utf8Path, path: &Utf8Path) -> anyhow::Result<LocalPath> {
    let beside = recipe.parent().is_none_or(|folder| folder.as_str().is_empty());
    let path: Utf8PathBuf =
        if beside || path.is_absolute() { path.to_owned() } else { camino::absolute_utf8(path)? };
    Ok(path.as_str().parse()?)
}
