use camino::{Utf8Path, Utf8PathBuf};

use crate::cli::{Exit, Target};
use crate::facts::{Serials, inventory};
use crate::host::Look as _;
use crate::host::real::write_outside;
use crate::status::report::{Closely, Document, HostState, ReportSignature, document, sign};
use crate::store::holdings;
use crate::trust;
use crate::ui::{Format, Ui, printable};

/// Write a report of what was verified and changed.
///
/// The comparable part has no host names and times; its digest is equal on identical nodes.
#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// Write the report to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
    /// Sign the report with this node's own key, made at first use: writes FILE.sig
    #[arg(long, requires = "output")]
    sign: bool,
}

impl Report {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let facts = inventory(&target.host, Serials::Include);
        let policy = trust::load(&target.host)?;
        let (store, now) = (holdings(&target.host)?, target.host.now());
        let mut signing = self.sign.then(|| target.again()).transpose()?;
        let report = document(target.inspect(Closely::Bytes)?, policy.as_ref(), facts, store, now)?;
        let json = serde_json::to_string_pretty(&report)? + "\n";
        if let Some(path) = &self.output {
            // Without a signature, nothing is written: an earlier one would not be of this report.
            let signature = signing.as_mut().map(|target| signature(target, json.as_bytes()));
            let signature = signature.transpose()?;
            write_outside(path, json.as_bytes())?;
            ui.say(format_args!("wrote {path:?}"));
            if let Some(signature) = &signature {
                write_signature(signature, path, ui)?;
            }
        }
        if ui.format() == Format::Json {
            ui.print_document(&json)?;
        } else {
            print(&report, ui)?;
        }
        Ok(Exit::Done)
    }
}

fn signature(target: &mut Target, report: &[u8]) -> anyhow::Result<ReportSignature> {
    target.check_may_change()?;
    let _lock = target.lock()?;
    sign(&mut target.host, report)
}

fn write_signature(
    ReportSignature { armor, key }: &ReportSignature,
    report: &Utf8Path,
    ui: &Ui,
) -> anyhow::Result<()> {
    let path = Utf8PathBuf::from(format!("{report}.sig"));
    write_outside(&path, armor)?;
    ui.say(format_args!(
        "wrote {path:?}, signed with {}; to accept this key on the laptop: \
            `vgpu-bundler fleet enroll {}`",
        key.fingerprint(),
        report.file_name().unwrap_or_default()
    ));
    Ok(())
}

fn print(report: &Document, ui: &Ui) -> std::io::Result<()> {
    let comparable = &report.comparable;
    let applied = comparable.found.applied.as_ref();
    ui.print(format_args!("report {}", report.digest))?;
    ui.print(match comparable.state {
        HostState::Nothing => "nothing is applied",
        HostState::InSync => "everything is in sync",
        HostState::Pending => "pending: phase 1 is done, and phase 2 waits for the reboot",
        HostState::Drifted => "the host has drifted",
        HostState::Interrupted => "an apply, a removal or a revert was interrupted",
        HostState::Running => "a run is changing this host",
        HostState::Failed => "derived state or the automatic resume has failed; see `status`",
    })?;
    if let Some(applied) = applied {
        let (steps, changes) = (applied.steps.len(), applied.changes.len());
        ui.print(format_args!("bundle {}: {steps} steps, {changes} changes", applied.digest))?;
        if let Some(vouched) = applied.bundle.as_ref().and_then(|bundle| bundle.upstream) {
            ui.print(vouched)?;
        }
    }
    for objection in comparable.found.objections() {
        ui.print(format_args!("does not fit: {}", printable(objection)))?;
    }
    ui.print("nodes with the same first line are identical; `--json` shows everything")
}
