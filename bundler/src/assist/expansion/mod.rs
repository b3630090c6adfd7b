//! The long form of a recipe: `[vgpu]` and `[packages]` become the entries that follow from them.
//!
//! Entries that the recipe itself has win. The long form is a recipe, too: it is the text that the
//! bundler parses, and `expand` prints it.

mod mirrors;
mod plan;
mod presets;
mod short;
mod tables;

use anyhow::{Context as _, anyhow};
use camino::Utf8Path;
use serde::Deserialize;
use toml::{Spanned, Table, Value};
use vgpu_manifest::catalog::Catalog;

pub(crate) use self::mirrors::NodeMirrors;
use self::plan::Plan;
pub(crate) use self::plan::inventory_of;
pub(crate) use self::presets::Preset;
use self::short::Packages;
pub(crate) use self::short::{DriverChoice, Vgpu, over};
use crate::assist::proposal::Known;
use crate::recipe::{self, Recipe};
use crate::types::Address;

/// The long form of a recipe.
#[derive(Debug, Default)]
pub(crate) struct LongForm {
    text: String,
    /// The line of the recipe from which each line of the text comes.
    lines: Vec<usize>,
}

/// The inputs of an expansion besides the recipe and its files.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'s> {
    pub(crate) catalog: &'s Catalog,
    /// The mirrors of an archive for which the recipe names none.
    pub(crate) mirrors: &'s dyn Fn(Preset) -> Vec<Address>,
}

impl<'s> Surroundings<'s> {
    /// Returns those of this machine.
    pub(crate) fn here(catalog: &'s Catalog) -> Self {
        Self { catalog, mirrors: &mirrors::of_this_machine }
    }
}

/// A recipe by its tables.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    bundle: Option<Spanned<Table>>,
    vgpu: Option<Spanned<Vgpu>>,
    packages: Option<Spanned<Packages>>,
    targets: Option<Spanned<Table>>,
    host: Option<Spanned<Table>>,
    file: Vec<Spanned<Table>>,
    tree: Vec<Spanned<Table>>,
    driver: Vec<Spanned<Table>>,
    patch: Vec<Spanned<Table>>,
    image: Vec<Spanned<Table>>,
    apt: Vec<Spanned<Table>>,
    unlock: Vec<Spanned<Table>>,
}

impl LongForm {
    /// Reads the recipe at `path`.
    pub(crate) fn read(path: &Utf8Path, surroundings: Surroundings<'_>) -> anyhow::Result<Self> {
        Self::of_text(path, &Recipe::read(path)?, surroundings)
    }

    /// Expands `text` as the recipe at `path`.
    pub(crate) fn of_text(
        path: &Utf8Path,
        text: &str,
        surroundings: Surroundings<'_>,
    ) -> anyhow::Result<Self> {
        let is_short =
            |table: &Table| ["vgpu", "packages"].iter().any(|it| table.contains_key(*it));
        if !toml::from_str(text).is_ok_and(|table| is_short(&table)) {
            let count = text.lines().count().max(1);
            return Ok(Self { text: text.to_owned(), lines: (1..=count).collect() });
        }
        let document: Document = toml::from_str(text).map_err(|error| {
            let line = recipe::line_of(text, error.span().unwrap_or_default().start);
            anyhow!("`{path}` line {line}: {}", recipe::message(text, &error))
        })?;
        let base = path.parent().unwrap_or(Utf8Path::new(""));
        let at = document.vgpu.as_ref().map(Spanned::span);
        let at = at.or_else(|| document.packages.as_ref().map(Spanned::span)).unwrap_or_default();
        let line = recipe::line_of(text, at.start);
        document
            .expanded(text, line, base, surroundings)
            .with_context(|| format!("cannot expand `{path}` line {line}"))
    }

    /// Returns the recipe that it describes.
    pub(crate) fn recipe(&self, path: &Utf8Path) -> anyhow::Result<Recipe> {
        let last = self.lines.last().copied().unwrap_or(1);
        let origin = |line: usize| self.lines.get(line - 1).copied().unwrap_or(last);
        Recipe::of_lines(path, &self.text, origin)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds a table, which comes from this line of the recipe.
    fn add(&mut self, kind: &str, value: Value, line: usize) -> anyhow::Result<()> {
        let text = toml::to_string(&Table::from_iter([(kind.to_owned(), value)]))?;
        let before = if self.text.is_empty() { "" } else { "\n" };
        let text = format!("{before}{}\n", text.trim_end());
        self.lines.extend(text.lines().map(|_| line));
        self.text += &text;
        Ok(())
    }
}

impl Document {
    fn expanded(
        self,
        text: &str,
        short: usize,
        base: &Utf8Path,
        surroundings: Surroundings<'_>,
    ) -> anyhow::Result<LongForm> {
        let table = self.vgpu.as_ref().context(
            "`[packages]` needs `[vgpu]`, whose `pve` or `node` determines the release; without it, write `[[apt]]`",
        )?;
        let packages = self.packages.as_ref().map(Spanned::get_ref);
        let (vgpu, catalog) = (table.get_ref(), surroundings.catalog);
        let read;
        let plan = match Plan::of(vgpu, base, catalog, &Known::default()) {
            Ok(plan) => plan,
            // The catalog does not decide, so the driver itself does.
            Err(error) => {
                read = plan::of_file(vgpu, base, catalog)?;
                let Some((catalog, known)) = &read else { return Err(error) };
                Plan::of(vgpu, base, catalog, known)?
            }
        };
        let mut added = plan.items(packages, surroundings.mirrors)?;
        added.retain(|(kind, table)| !self.has(kind, table));
        let host = with_host(self.host.as_ref().map(Spanned::get_ref), plan.host());
        let targets = match &self.targets {
            Some(_) => None,
            None => plan.targets()?,
        };

        let mut long = LongForm::default();
        let line = |at: usize| recipe::line_of(text, at);
        let first = line(self.bundle.as_ref().map_or(0, |it| it.span().start));
        long.add("bundle", with_name(self.bundle.map(Spanned::into_inner)).into(), first)?;
        let kinds = [
            ("file", self.file),
            ("tree", self.tree),
            ("driver", self.driver),
            ("patch", self.patch),
            ("image", self.image),
            ("apt", self.apt),
            ("unlock", self.unlock),
        ];
        let each =
            kinds.into_iter().flat_map(|(kind, all)| all.into_iter().map(move |it| (kind, it)));
        let mut own: Vec<_> =
            each.map(|(kind, it)| (it.span().start, kind, it.into_inner())).collect();
        own.sort_by_key(|(at, ..)| *at);
        for (at, kind, table) in own {
            long.add(kind, vec![Value::Table(table)].into(), line(at))?;
        }
        for (kind, table) in added {
            long.add(kind, vec![Value::Table(table)].into(), short)?;
        }
        if let Some(own) = self.targets {
            long.add("targets", own.get_ref().clone().into(), line(own.span().start))?;
        }
        if let Some(targets) = targets {
            long.add("targets", targets.into(), short)?;
        }
        let at = self.host.map_or(short, |host| line(host.span().start));
        long.add("host", host.into(), at)?;
        Ok(long)
    }

    /// Checks whether the recipe has an entry that takes the place of this one.
    fn has(&self, kind: &str, table: &Table) -> bool {
        let equal = |all: &[Spanned<Table>], key: &str| {
            all.iter().any(|own| own.get_ref().get(key) == table.get(key))
        };
        let of = |own: &Spanned<Table>| own.get_ref().get("kind").cloned();
        match kind {
            "driver" => {
                let host = Value::from("host");
                let kind = table.get("kind").cloned().unwrap_or_else(|| host.clone());
                equal(&self.driver, "name")
                    || self.driver.iter().any(|own| of(own).unwrap_or_else(|| host.clone()) == kind)
            }
            "patch" => !self.patch.is_empty(),
            "unlock" => !self.unlock.is_empty(),
            "apt" => equal(&self.apt, "release"),
            _ => equal(&self.image, "name"),
        }
    }
}

/// Returns the table with the name and the channel that the bundle will have.
fn with_name(own: Option<Table>) -> Table {
    let mut bundle = own.unwrap_or_default();
    bundle.entry("name").or_insert_with(|| recipe::NAME.into());
    bundle.entry("channel").or_insert_with(|| recipe::CHANNEL.into());
    bundle
}

/// Returns the changes to a host: those of the recipe, and the others.
fn with_host(own: Option<&Table>, others: Table) -> Table {
    let mut host = own.cloned().unwrap_or_default();
    for (key, value) in others {
        match (host.get_mut(&key), value) {
            (None, value) => {
                host.insert(key, value);
            }
            (Some(Value::Array(all)), Value::Array(more)) => {
                let more: Vec<_> = more.into_iter().filter(|it| !all.contains(it)).collect();
                all.extend(more);
            }
            (Some(_), _) => {}
        }
    }
    host
}

#[cfg(test)]
mod tests;
