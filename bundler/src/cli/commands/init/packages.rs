//! The archives of a proposed recipe, as its `[packages]` table.
//!
//! Mirrors may come from a node, because the pinned keys of the archives decide trust.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::Utf8Path;
use serde::Serialize;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::PveRelease;
use vgpu_manifest::ui::Exit;

use super::archive_arg::KeysArg;
use super::text::{list_of, quoted};
use super::{Args, without_effect};
use crate::assist::expansion::{NodeMirrors, Preset};
use crate::assist::proposal::Proposal;
use crate::types::Address;

/// Packages that a node needs, and their archives.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct Packages {
    /// The packages to install.
    install: Vec<String>,
    /// The archives that have them.
    archives: Vec<Archive>,
    /// The operator's answer about the mirrors.
    mirrors: Mirrors,
    /// Sources of the node that are skipped, each with the reason.
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Archive {
    name: Preset,
    mirror: Vec<Address>,
    #[serde(skip)]
    keys: Option<KeysArg>,
}

/// The confirmation of the mirrors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mirrors {
    Confirmed,
    Unconfirmed,
    Unknown,
}

/// The archives of a recipe for a machine whose sources are unknown.
const USUAL: [Preset; 3] = [Preset::Debian, Preset::DebianSecurity, Preset::PveNoSubscription];

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
        let NodeMirrors { mut taken, left_out } =
            inventory.map(NodeMirrors::of).unwrap_or_default();
        if !args.mirror.is_empty() {
            let is_given = |it: &Preset| args.mirror.iter().any(|given| given.archive == *it);
            taken.retain(|archive, _| args.accept_mirrors && !is_given(archive));
            for given in &args.mirror {
                taken.entry(given.archive).or_default().push(given.mirror.clone());
            }
        }
        let is_known = proposal.and_then(Proposal::pve).and_then(PveRelease::series).is_some();
        let mirrors = match (taken.is_empty() || !is_known, args.confirms_mirrors()) {
            (true, _) => Mirrors::Unknown,
            (false, true) => Mirrors::Confirmed,
            (false, false) => Mirrors::Unconfirmed,
        };
        if taken.is_empty() {
            taken.extend(USUAL.map(|archive| (archive, Vec::new())));
        }
        let archives = with_keys(taken, &args.archive_key)?;
        Ok(Some(Self { install, archives, mirrors, left_out }))
    }

    pub(super) fn mirrors(&self) -> Mirrors {
        self.mirrors
    }

    pub(super) fn to_confirm(&self) -> Vec<String> {
        let mut lines = vec!["Packages missing on the node:".to_owned()];
        lines.extend(self.install.iter().map(|package| format!("  {package}")));
        lines.push("Mirrors of the node:".to_owned());
        lines.extend(self.archives.iter().map(|archive| {
            let mirrors: Vec<_> = archive.mirror.iter().map(ToString::to_string).collect();
            format!("  {:<20} {}", archive.name, mirrors.join(" "))
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
                "the package section of `{recipe}` is commented out because no mirror is known; \
                 remove the leading `# ` to use those of this machine's apt, or add `debian.mirror` \
                 and so on"
            )),
            Mirrors::Unconfirmed => lines.push(format!(
                "the package section of `{recipe}` is commented out because the mirrors of the inventory were not confirmed; \
                 check them and remove the leading `# `, or use `--accept-mirrors`"
            )),
            Mirrors::Confirmed => {
                let mut archives = self.archives.iter().map(|it| it.name);
                if archives.any(|it| it == Preset::PveEnterprise) {
                    lines.push("`pve-enterprise` requires a login in `~/.netrc`".to_owned());
                }
                lines.extend(self.of_proxmox().map(|package| format!(
                    "`{package}` comes from Proxmox VE, but no archive is one of Proxmox VE; add \
                     one with `--mirror`"
                )));
            }
        }
        lines
    }

    /// Returns a Proxmox package that no archive offers.
    fn of_proxmox(&self) -> Option<&String> {
        let is_theirs =
            |it: &&String| ["proxmox-", "pve-"].iter().any(|prefix| it.starts_with(prefix));
        let mut archives = self.archives.iter().map(|it| it.name);
        if archives.any(Preset::is_proxmox) { None } else { self.install.iter().find(is_theirs) }
    }

    pub(super) fn text(&self) -> String {
        let names: Vec<_> = self.archives.iter().map(|it| it.name).collect();
        let mut table = format!("[packages]\narchives = {}\n", list_of(&names));
        for Archive { name, mirror, keys } in &self.archives {
            let mirrors: Vec<_> = mirror.iter().map(|it| String::from(it.clone())).collect();
            // Writing to a `String` cannot fail.
            let _ = match &mirrors[..] {
                [] => Ok(()),
                [only] => writeln!(table, "{name}.mirror = {}", quoted(only)),
                several => writeln!(table, "{name}.mirror = {}", list_of(several)),
            };
            if let Some(keys) = keys {
                let _ = writeln!(table, "{name}.keyring = {}", quoted(&keys.keyring));
                let _ = writeln!(table, "{name}.signed-by = {}", list_of(&keys.signed_by));
            }
        }
        match self.mirrors {
            Mirrors::Confirmed => format!("\n{table}"),
            Mirrors::Unconfirmed => {
                let table = commented(&table);
                format!(
                    "\n# UNCONFIRMED MIRRORS. Check them, then remove the leading `# `:\n{table}"
                )
            }
            Mirrors::Unknown => {
                let table = commented(&table);
                format!("\n# UNKNOWN MIRRORS. Add them, then remove the leading `# `:\n{table}")
            }
        }
    }
}

/// Comments out every line with `# `, so that removing it restores the table.
fn commented(table: &str) -> String {
    table.lines().flat_map(|line| ["# ", line, "\n"]).collect()
}

fn with_keys(
    taken: BTreeMap<Preset, Vec<Address>>,
    keys: &[KeysArg],
) -> anyhow::Result<Vec<Archive>> {
    if let Some(unused) = keys.iter().find(|keys| !taken.contains_key(&keys.archive)) {
        let names: Vec<_> = taken.keys().map(ToString::to_string).collect();
        let (unused, names) = (unused.archive, names.join(", "));
        let message =
            format!("`--archive-key` names the archive `{unused}`, but the archives are: {names}");
        return Err(Exit::Usage.error(message).into());
    }
    let archives = taken.into_iter().map(|(name, mirror)| {
        let keys = keys.iter().find(|keys| keys.archive == name).cloned();
        Archive { name, mirror, keys }
    });
    Ok(archives.collect())
}
