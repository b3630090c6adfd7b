use camino::Utf8PathBuf;
use clap::Subcommand;
use serde::Serialize;
use vgpu_manifest::Digest;
use vgpu_manifest::ui::{Exit, count as count_of};

use super::Context;
use crate::cli::options::TrustArgs;
use crate::fleet::{Difference, Report, Signed, compare};
use crate::ui::{Advise as _, print, print_json};

/// Compare the reports of nodes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all differences between the reports of nodes
    ///
    /// `vgpu-installer report --output FILE` writes the report of a node. If a signature exists
    /// next to it (same name with `.sig`), it must be valid. Exits with 5 if the nodes differ.
    Compare(Compare),
}

#[derive(Debug, clap::Args)]
struct Compare {
    /// Reports
    #[arg(value_name = "REPORT", required = true, num_args = 2..)]
    reports: Vec<Utf8PathBuf>,

    /// Require a signature for each report, by a key that may sign reports
    #[arg(long)]
    signed: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer {
    nodes: Vec<Node>,
    differences: Vec<Difference>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Node {
    report: Utf8PathBuf,
    name: String,
    digest: Digest,
    /// The principal who signed the report, or the fingerprint of an unknown key.
    signed_by: Option<String>,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        match &self.command {
            Command::Compare(args) => args.run(context),
        }
    }
}

impl Compare {
    fn run(&self, context: &Context) -> anyhow::Result<()> {
        // Without allowed signers every key is unknown, which is an error only with `--signed`.
        let policy = self.trust.resolve();
        let policy = if self.signed { Some(policy?) } else { policy.ok() };
        let mut reports = Vec::new();
        for path in &self.reports {
            let report = Report::read(path, policy.as_ref())?;
            if self.signed && !matches!(report.signed, Signed::By(_)) {
                return Err(Exit::Untrusted.error(format!(
                    "the report `{path}` has no signature by a principal that may sign reports"
                )))
                .hint(
                    "add a line `NAME namespaces=\"vgpu-report\" ssh-ed25519 …` for the node's key",
                );
            }
            reports.push(report);
        }
        let differences = compare(&reports);
        let count = differences.len();
        if self.json {
            let nodes = self.reports.iter().zip(&reports).map(node).collect();
            print_json(&Answer { nodes, differences })?;
        } else {
            print(differences.iter().flat_map(lines))?;
        }
        if count > 0 {
            let facts = count_of(count, "fact");
            return Err(Exit::Differs.error(format!("the nodes differ in {facts}")).into());
        }
        let digest = reports.first().map(|report| report.digest.to_string()).unwrap_or_default();
        context.ui.note(format_args!("{} nodes are the same: {digest}", reports.len()));
        Ok(())
    }
}

fn node((path, report): (&Utf8PathBuf, &Report)) -> Node {
    let signed_by = match &report.signed {
        Signed::No => None,
        Signed::Unknown(key) => Some(key.to_string()),
        Signed::By(who) => Some(who.to_string()),
    };
    Node { report: path.clone(), name: report.node.clone(), digest: report.digest, signed_by }
}

/// Formats a fact and, below it, each value with its nodes.
fn lines(difference: &Difference) -> Vec<String> {
    let mut lines = vec![difference.what.clone()];
    lines.extend(difference.values.iter().map(|held| {
        let value = held.value.as_deref().unwrap_or("(not there)");
        format!("  {}: {value}", held.nodes.join(", "))
    }));
    lines
}
