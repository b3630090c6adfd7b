//! A proposal in words, for the terminal.

use vgpu_manifest::catalog::Release;
use vgpu_manifest::ui::count;
use vgpu_manifest::verdict::{Config, Goal};

use super::Proposal;

/// The place of a release in a reason that several releases share.
const ITSELF: &str = "\0";

impl Proposal<'_> {
    /// Returns the machine's notes, and the reasons against the other drivers.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(now) = &self.leaves {
            let kernel = self.target.kernel.as_ref().map_or("another kernel", |it| it.as_str());
            lines.push(format!(
                "the node must boot {kernel}: it is safer than {now}, or the only kernel that works"
            ));
        }
        lines.extend(self.left_out().map(|line| format!("not used: {line}")));
        if let Some(verdict) = self.verdict() {
            for doubt in &verdict.doubts {
                let decides = doubt.settled_by;
                lines.push(format!("unverified: {}; {decides} decides", doubt.statement.says));
            }
            let notes = verdict.console.iter().chain(&verdict.warnings);
            lines.extend(notes.map(|note| format!("note: {}", note.says)));
        }
        if self.unlock().is_some_and(|unlock| unlock.config == Config::Branch16) {
            lines.push(
                "note: the driver also needs the vgpuConfig.xml of a 16.x host driver; add it as a \
                 `[[driver]]` of kind `config-only`"
                    .to_owned(),
            );
        }
        if !self.others.is_empty() {
            lines.push("why not another driver:".to_owned());
        }
        let others: Vec<_> =
            self.others.iter().map(|(it, why)| (*it, self.common(*it, why))).collect();
        lines.extend(others.chunk_by(|(_, a), (_, b)| a == b).map(|equal| {
            let releases = match equal {
                [] => String::new(),
                [(only, _)] => only.to_string(),
                [(newest, _), .., (oldest, _)] => format!("{oldest}-{newest}"),
            };
            let why = equal.first().map_or("", |(_, why)| why.as_str());
            format!("  {releases:<11} {}", why.replace(ITSELF, &format!("vGPU {releases}")))
        }));
        lines
    }

    /// Returns a reason against a release without the release itself, so that equal ones are equal.
    fn common(&self, release: Release, why: &str) -> String {
        let host = self.catalog.driver(release).map(|it| format!(" ({})", it.host));
        let why = why.replace(&host.unwrap_or_default(), "");
        let itself = format!("vGPU {release}");
        // `vGPU 18.1` is also the beginning of `vGPU 18.10`.
        let mut common = String::new();
        let mut rest = why.as_str();
        while let Some((before, after)) = rest.split_once(&itself) {
            let is_longer = after.starts_with(|c: char| c.is_ascii_digit());
            common.extend([before, if is_longer { &itself } else { ITSELF }]);
            rest = after;
        }
        common + rest
    }

    /// Returns the supported GPUs, each with its mode.
    pub(crate) fn gpus(&self) -> impl Iterator<Item = String> {
        self.served.iter().map(|(_, it)| format!("  {}: {}", it.gpu, it.mode))
    }

    /// Returns the GPUs that are not used, each with the reason.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = String> {
        self.left_out.iter().map(|(gpu, why)| format!("{gpu}: {why}"))
    }

    /// Returns the choice in a few words.
    pub(crate) fn choice(&self) -> String {
        let gpus = count(self.served.len(), "GPU");
        match self.goal {
            Goal::Vgpu { driver, .. } => format!("vGPU {driver} for {gpus}"),
            Goal::Passthrough => format!("passthrough of {gpus}"),
        }
    }
}
