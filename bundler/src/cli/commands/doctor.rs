use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::Context;
use crate::assist::doctor::{Finding, Laptop, Needs, Places, State, examine, inputs};
use crate::cache::Cache;
use crate::cli::options::{Project, ProjectArgs, default_key, default_signers};
use crate::lock::Lock;
use crate::ui::{print, print_json};

/// Check this machine for missing tools.
///
/// With a recipe, checks only what that recipe needs. Makes no network connection. podman, docker
/// and apt are never needed. Exits with 1 if something is missing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output folder for bundles
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: Utf8PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    project: ProjectArgs,
}

#[derive(Debug, thiserror::Error)]
#[error("this machine lacks: {}", .0.join(", "))]
struct Lacks(Vec<&'static str>);

/// The state of this machine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Answer {
    /// Nothing is missing.
    ready: bool,
    /// The checks.
    findings: Vec<Finding>,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let laptop = Laptop::look(&Places {
            cache: context.cache_dir()?,
            output: self.output.clone(),
            key: default_key()?,
            signers: default_signers()?,
        });
        let project = self.project(context)?;
        let cache = opened(&context.cache_dir()?);
        let is_cached = |digest| cache.as_ref().is_some_and(|cache| cache.has(digest));
        let mut findings = examine(&laptop, Self::needs(context, project.as_ref())?);
        findings.extend(project.iter().flat_map(|project| {
            let Project { recipe, base, catalog, .. } = project;
            inputs(recipe, base, &catalog.catalog, &is_cached)
        }));
        let is_missing = |finding: &&Finding| finding.state == State::Missing;
        let mut missing: Vec<_> = findings.iter().filter(is_missing).map(|it| it.what).collect();
        missing.dedup();
        if self.json {
            print_json(&Answer { ready: missing.is_empty(), findings })?;
        } else {
            print(findings.iter().flat_map(lines))?;
        }
        if missing.is_empty() { Ok(()) } else { Err(Lacks(missing).into()) }
    }

    /// Reads the recipe, if it exists. A recipe named on the command line must exist.
    fn project(&self, context: &Context) -> anyhow::Result<Option<Project>> {
        if !self.project.is_there() {
            context.ui.note("no recipe here, so all possible needs are listed");
            return Ok(None);
        }
        self.project.resolve().map(Some)
    }

    fn needs(context: &Context, project: Option<&Project>) -> anyhow::Result<Needs> {
        let Some(project) = project else { return Ok(Needs::default()) };
        let lock = project.any_lock()?;
        let cache = context.cache_dir()?;
        Ok(Needs::of(&project.recipe, lock.as_ref(), &|lock| cached(&cache, lock)))
    }
}

/// Opens the cache. Does not create one.
fn opened(dir: &Utf8Path) -> Option<Cache> {
    if dir.exists() { Cache::open(dir).ok() } else { None }
}

/// Returns the number of cached bytes of the lock.
fn cached(dir: &Utf8Path, lock: &Lock) -> u64 {
    let Some(cache) = opened(dir) else { return 0 };
    lock.items.iter().filter(|item| cache.has(item.sha256)).map(|item| item.size).sum()
}

fn lines(finding: &Finding) -> Vec<String> {
    let Finding { what, state, says, needed_for, hint } = finding;
    let state = match state {
        State::Good => "good",
        State::Absent => "absent",
        State::Doubtful => "doubtful",
        State::Missing => "MISSING",
    };
    let mut lines = vec![format!("{state:<9} {what:<16} {says} (for {needed_for})")];
    lines.extend(hint.iter().map(|hint| format!("{:<26} {hint}", "")));
    lines
}
