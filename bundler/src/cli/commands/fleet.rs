use anyhow::{Context as _, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Subcommand;
use serde::Serialize;
use vgpu_keys::{AllowedSigner, Fingerprint, Principal, Role};
use vgpu_manifest::ui::{Exit, count as count_of};

mod mappings;

#[cfg(feature = "schema")]
pub(crate) use self::mappings::Answer as ClusterMappings;

use self::mappings::Mappings;
use super::Context;
use crate::cli::options::{TrustArgs, default_signers};
use crate::fleet::{Difference, Report, Reports, Signed};
use crate::html;
use crate::trust;
use crate::ui::{self, Advise as _, print, print_json};

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
    /// `--html` writes a page with a table of nodes and facts instead of printing text.
    Compare(Compare),
    /// Accept the key that signed the report of a node
    ///
    /// `vgpu-installer report --sign` prints the fingerprint on the node. Enrolling adds a line for
    /// reports to the allowed signers. From then on, `fleet compare` requires signatures.
    Enroll(Enroll),
    /// Print the commands that map the GPUs of all nodes in their cluster
    ///
    /// A guest then starts on each node that has such a GPU. Run the commands on one of the nodes.
    /// Devices that the cluster's mapping has already are kept.
    Mappings(Mappings),
}

#[derive(Debug, clap::Args)]
struct Compare {
    /// Reports
    #[arg(value_name = "REPORT", required = true, num_args = 2..)]
    reports: Vec<Utf8PathBuf>,

    #[command(flatten)]
    args: ReportArgs,

    /// Write the comparison to this new file, as a page for a browser or a printer
    #[arg(long, value_name = "FILE")]
    html: Option<Utf8PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The trust in reports.
#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// Require a signature for each report, by a key that may sign reports [default: if the
    /// allowed signers have such a key]
    #[arg(long)]
    signed: bool,

    /// Also accept reports without a signature by such a key
    #[arg(long, conflicts_with = "signed")]
    allow_unsigned: bool,

    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Debug, clap::Args)]
struct Enroll {
    /// Report with its signature next to it (REPORT.sig)
    #[arg(value_name = "REPORT")]
    report: Utf8PathBuf,

    /// Name of the node [default: its host name in the report]
    #[arg(long, value_name = "NAME")]
    principal: Option<Principal>,

    /// Fingerprint that the node has printed; without it, you are asked to compare
    #[arg(long, value_name = "SHA256:…")]
    fingerprint: Option<Fingerprint>,

    /// Allowed signers file to extend [default: $XDG_CONFIG_HOME/vgpu-offline/allowed_signers]
    #[arg(long, value_name = "FILE", env = "VGPU_SIGNERS")]
    signers: Option<Utf8PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The accepted key of a node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Enrolled {
    /// The name of the node.
    principal: Principal,
    /// The key that signs its reports.
    fingerprint: Fingerprint,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        match &self.command {
            Command::Compare(args) => args.run(context),
            Command::Enroll(args) => args.run(context),
            Command::Mappings(args) => args.run(),
        }
    }
}

impl ReportArgs {
    /// Reads these reports one by one, and requires signatures as the options say.
    fn read(
        &self,
        paths: &[Utf8PathBuf],
        mut take: impl FnMut(&Utf8Path, Report) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // Without allowed signers every key is unknown, which is an error only with `--signed`.
        let policy = self.trust.resolve();
        let policy = if self.signed { Some(policy?) } else { policy.ok() };
        let has_enrolled = policy.as_ref().is_some_and(|it| !it.eligible(Role::Report).is_empty());
        let is_required = self.signed || (has_enrolled && !self.allow_unsigned);
        for path in paths {
            let report = Report::read(path, policy.as_ref())?;
            if is_required && !matches!(report.signed, Signed::By(_)) {
                return Err(Exit::Untrusted.error(format!(
                    "the report `{path}` has no signature by a principal that may sign reports"
                )))
                .hint(
                    "run `vgpu-installer report --sign` on the node, and `vgpu-bundler fleet enroll` for a new node",
                );
            }
            take(path, report)?;
        }
        Ok(())
    }
}

impl Compare {
    fn run(&self, context: &Context) -> anyhow::Result<()> {
        let mut reports = Reports::default();
        self.args.read(&self.reports, |path, report| reports.add(path, report))?;
        let comparison = reports.compare();
        if let Some(path) = &self.html {
            html::fleet(&comparison).write(path)?;
            context.ui.note(format_args!("wrote {path:?}"));
        }
        if self.json {
            print_json(&comparison)?;
        } else if self.html.is_none() {
            print(comparison.differences.iter().flat_map(lines))?;
        }
        if !comparison.differences.is_empty() {
            let facts = count_of(comparison.differences.len(), "fact");
            return Err(Exit::Differs.error(format!("the nodes differ in {facts}")).into());
        }
        let nodes = &comparison.nodes;
        let digest = nodes.first().map(|node| node.digest.to_string()).unwrap_or_default();
        context.ui.note(format_args!("{} nodes are the same: {digest}", nodes.len()));
        Ok(())
    }
}

impl Enroll {
    fn run(&self, context: &Context) -> anyhow::Result<()> {
        let path = &self.report;
        let signers = self.signers.clone().map_or_else(default_signers, Ok)?;
        let report = Report::read(path, None)?;
        let Signed::Unknown(key) = report.signed else {
            return Err(anyhow!("the report `{path}` has no signature `{path}.sig`"))
                .hint("write it on the node with `vgpu-installer report --sign --output FILE`");
        };
        let fingerprint = key.fingerprint();
        let principal = match &self.principal {
            Some(principal) => principal.clone(),
            None => report
                .node
                .parse()
                .with_context(|| format!("cannot use the host name in `{path}`"))
                .hint("name the node with `--principal`")?,
        };
        match (&self.fingerprint, context.ui.prompt()) {
            (Some(expected), _) if *expected == fingerprint => {}
            (Some(expected), _) => {
                let message =
                    format!("the report is signed with {fingerprint}, expected {expected}");
                return Err(Exit::Untrusted.error(message))
                    .hint("the report may have been swapped");
            }
            (None, Some(prompt)) => {
                prompt.print(format_args!("{principal} signed with {fingerprint}"));
                let same =
                    prompt.whether("Did the node print this fingerprint?", ui::Answer::No)?;
                if same == ui::Answer::No {
                    bail!("nothing was changed");
                }
            }
            (None, None) => {
                return Err(Exit::Usage.error("there is no terminal to compare the fingerprint on"))
                    .hint("pass the fingerprint that the node has printed: `--fingerprint SHA256:…`");
            }
        }
        let signer = AllowedSigner::new(principal.clone(), vec![Role::Report], key)?;
        trust::add(&signers, signer)?;
        context.ui.note(format_args!("wrote a line for {principal} to `{signers}`"));
        if self.json {
            print_json(&Enrolled { principal, fingerprint })?;
        }
        Ok(())
    }
}

/// The most common value names its nodes up to this number.
const NAMED: usize = 8;

/// Formats a fact and, below it, each value with its nodes.
fn lines(difference: &Difference) -> Vec<String> {
    let mut lines = vec![difference.what.clone()];
    for (at, held) in difference.values.iter().enumerate() {
        let nodes = match held.nodes.len() {
            // The odd ones are what to look at; `--json` has all names.
            number if at == 0 && number > NAMED => count_of(number, "node"),
            _ => held.nodes.join(", "),
        };
        lines.push(format!("  {nodes}: {}", held.value));
    }
    lines
}
