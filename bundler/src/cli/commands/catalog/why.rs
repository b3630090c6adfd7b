use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_manifest::catalog::{Catalog, DriverFile, Release, State};
use vgpu_manifest::platform::PciId;
use vgpu_manifest::verdict::{
    Case, Choice, Compiled, Export, Findings, Goal, Listing, Verdict, judge,
};

use super::table::{lines, or_dash};
use crate::cli::options::{MachineArgs, gpu};
use crate::lock::Lock;
use crate::ui::{print, print_json};

/// Explain whether a GPU, a driver and a machine fit together.
///
/// Prints the reasons and the nearest combination that works. Without `--driver`, prints one line
/// for each driver.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// GPU by PCI id, such as `10de:1e07`, optionally with its board: `10de:1e30/10de:12ba`
    #[arg(long, value_name = "ID", value_parser = gpu)]
    gpu: PciId,

    /// vGPU release, such as `16.9`
    #[arg(long, value_name = "RELEASE")]
    driver: Option<Release>,

    /// Driver file, `original` or `patched` [default: the one that fits]
    #[arg(long, value_name = "FORM", requires = "driver")]
    file: Option<DriverFile>,

    /// Judge passthrough of the whole GPU instead of vGPU
    #[arg(long, conflicts_with = "driver")]
    passthrough: bool,

    /// Whether the kernel exports `enable_apicv`, if known: `exported` or `missing`
    #[arg(long, value_name = "STATE")]
    apicv: Option<Export>,

    /// Whether the driver's `vgpuConfig.xml` lists the GPU, if known: `listed` or `omitted`
    #[arg(long, value_name = "STATE", requires = "driver")]
    listed: Option<Listing>,

    /// Result of compiling the driver, if known: `compiles` or `fails`
    #[arg(long, value_name = "END", requires = "driver")]
    compiled: Option<Compiled>,

    /// Lock with the driver, its headers and the builds of `prove`; other options take precedence
    #[arg(long, value_name = "FILE", requires = "driver")]
    lock: Option<Utf8PathBuf>,

    /// List the evidence of each statement
    #[arg(long, conflicts_with = "json")]
    evidence: bool,

    #[command(flatten)]
    machine: MachineArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The verdict on a driver.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Row<'c> {
    /// The release of the driver.
    release: Release,
    #[serde(flatten)]
    verdict: Verdict<'c>,
}

impl Args {
    pub(super) fn run(&self, catalog: &Catalog) -> anyhow::Result<()> {
        let inventory = self.machine.inventory()?;
        let mut target = self.machine.target(inventory.as_ref());
        let Self { apicv, listed, compiled, file, .. } = *self;
        let lock = self.lock()?;
        let contents = lock.as_ref().map(Lock::contents).unwrap_or_default();
        let targets = lock.as_ref().and_then(|lock| Some(&lock.purpose.as_ref()?.targets));
        target.kernel = target.kernel.or_else(|| targets?.kernel.clone());
        let driver = self.driver.and_then(|driver| catalog.driver(driver));
        let kernel = target.kernel.as_ref();
        let found = contents.findings(driver, kernel, self.gpu);
        let proof = driver.zip(kernel).and_then(|(driver, kernel)| contents.proof(driver, kernel));
        let findings = Findings {
            apicv: apicv.or(found.apicv),
            listed: listed.or(found.listed),
            compiled: compiled.or(found.compiled),
        };
        let case = |goal| Case { gpu: self.gpu, goal, target: target.clone(), findings };
        let goal = match (self.driver, self.passthrough) {
            (Some(driver), _) => Goal::Vgpu { driver, file },
            (None, true) => Goal::Passthrough,
            (None, false) => return self.all(catalog, case),
        };
        let verdict = judge(catalog, &case(goal));
        if self.json {
            return Ok(print_json(&verdict)?);
        }
        let text = if self.evidence { format!("{verdict:#}") } else { verdict.to_string() };
        let proof = proof.filter(|_| compiled.is_none()).map(ToString::to_string);
        Ok(print(text.lines().map(str::to_owned).chain(proof))?)
    }

    fn lock(&self) -> anyhow::Result<Option<Lock>> {
        let Some(path) = &self.lock else { return Ok(None) };
        Lock::read(path)?.with_context(|| format!("there is no lock `{path}`")).map(Some)
    }

    fn all(&self, catalog: &Catalog, case: impl Fn(Goal) -> Case) -> anyhow::Result<()> {
        let rows: Vec<_> = catalog
            .drivers()
            .iter()
            .map(|it| it.release)
            .map(|release| Row {
                release,
                verdict: judge(catalog, &case(Goal::Vgpu { driver: release, file: None })),
            })
            .collect();
        if self.json {
            return Ok(print_json(&rows)?);
        }
        let Some(name) = rows.first().and_then(|row| name(&row.verdict)) else {
            bail!("{} is not an NVIDIA GPU", self.gpu);
        };
        let cells: Vec<_> = rows.iter().map(cells).collect();
        let table = lines(["DRIVER", "VERDICT", "BECAUSE"], &cells);
        Ok(print([name, String::new()].into_iter().chain(table))?)
    }
}

fn name(verdict: &Verdict<'_>) -> Option<String> {
    match verdict {
        Verdict::Suitable(it) => Some(it.gpu.to_string()),
        Verdict::Unsuitable(it) => it.gpu.as_ref().map(ToString::to_string),
    }
}

fn cells(row: &Row<'_>) -> [String; 3] {
    let (word, why) = match &row.verdict {
        Verdict::Suitable(it) => {
            let doubt = if it.state == State::Unproven { ", unverified" } else { "" };
            let doubts: Vec<_> =
                it.doubts.iter().map(|doubt| doubt.statement.says.clone()).collect();
            (format!("{}{doubt}", it.mode), doubts.join("; "))
        }
        Verdict::Unsuitable(it) => {
            let instead = it.nearest.iter().find(|choice| choice.shares());
            let instead = instead.map(|it: &Choice| format!("; {it} instead"));
            ("unsuitable".to_owned(), it.reason.says.clone() + &instead.unwrap_or_default())
        }
    };
    [row.release.to_string(), word, or_dash(why)]
}
