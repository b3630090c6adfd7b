use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::Subcommand;
use serde::Serialize;
use vgpu_manifest::Digest;
use vgpu_manifest::ui::ByteSize;

use super::Context;
use crate::cache::{CacheError, Entry, Verdict};
use crate::lock::Lock;
use crate::ui::{Advise as _, print, print_json};

/// Manage the download cache, which all bundles share.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the contents of the cache
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Verify every file of the cache and remove damaged ones
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove files that no bundle has used recently
    Gc {
        /// Minimum age of removed files, in days since their last use
        #[arg(long, value_name = "DAYS", default_value = "30")]
        unused_for: u16,
        /// Keep the files of this lock (repeatable)
        #[arg(long, value_name = "LOCK")]
        keep: Vec<Utf8PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the cache folder
    Path {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        match &self.command {
            Command::List { json } => list(context, *json),
            Command::Verify { json } => verify(context, *json),
            Command::Gc { unused_for, keep, json } => gc(context, *unused_for, keep, *json),
            Command::Path { json: true } => Ok(print_json(&Place { path: context.cache_dir()? })?),
            Command::Path { json: false } => Ok(print([context.cache_dir()?])?),
        }
    }
}

/// The cache folder.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Place {
    /// The path of the folder.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    path: Utf8PathBuf,
}

/// A pass over the cache.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Swept {
    /// The number of checked files.
    contents: usize,
    /// The files that were removed.
    removed: Vec<Entry>,
}

fn list(context: &Context, json: bool) -> anyhow::Result<()> {
    let entries = context.cache()?.entries()?;
    if json {
        return Ok(print_json(&entries)?);
    }
    let line =
        |entry: &Entry| format!("{}  {:>10}", entry.sha256, ByteSize::new(entry.size).to_string());
    print(entries.iter().map(line))?;
    let size = ByteSize::new(entries.iter().map(|entry| entry.size).sum());
    context.ui.note(format_args!("{} contents, {size}", entries.len()));
    Ok(())
}

fn verify(context: &Context, json: bool) -> anyhow::Result<()> {
    let cache = context.cache()?;
    let lock = context.lock(&cache)?;
    let mut removed: Vec<Entry> = Vec::new();
    let entries = cache.entries()?;
    for entry in &entries {
        if lock.verify(entry)? == Verdict::Removed {
            context.ui.say(format_args!("{} was damaged and was removed", entry.sha256));
            removed.push(entry.clone());
        }
    }
    let damaged = removed.first().map(|entry| entry.sha256);
    if json {
        print_json(&Swept { contents: entries.len(), removed })?;
    }
    let Some(digest) = damaged else {
        context.ui.note(format_args!("{} contents are intact", entries.len()));
        return Ok(());
    };
    Err(CacheError::Damaged(digest))
        .context("the cache had damaged contents")
        .hint("run `vgpu-bundler fetch` to download them again")
}

fn gc(context: &Context, days: u16, keep: &[Utf8PathBuf], json: bool) -> anyhow::Result<()> {
    let mut kept: BTreeSet<Digest> = BTreeSet::new();
    for path in keep {
        let lock = Lock::read(path)?.with_context(|| format!("there is no lock `{path}`"))?;
        kept.extend(lock.items.iter().map(|item| item.sha256));
        kept.extend(lock.items.iter().filter_map(|item| item.kind.driver()?.config));
    }
    let unused = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    let cache = context.cache()?;
    let contents = cache.entries()?.len();
    let removed = context.lock(&cache)?.gc(unused, &kept)?;
    let size = ByteSize::new(removed.iter().map(|entry| entry.size).sum());
    context.ui.note(format_args!("removed {} contents, {size}", removed.len()));
    if json {
        print_json(&Swept { contents, removed })?;
    }
    Ok(())
}
