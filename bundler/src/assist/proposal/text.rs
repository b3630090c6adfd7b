//! Formats a proposal as a recipe: items as tables, everything else as comments.

use vgpu_manifest::catalog::{Driver, DriverFile, Patch};
use vgpu_manifest::verdict::{Config, Goal, Install, Unlock};

use super::Proposal;
use crate::types::LocalPath;

impl Proposal<'_> {
    /// Returns the reasons, as comments.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let mut lines = vec!["Proposed for:".to_owned()];
        lines.extend(self.gpus());
        if let Some(now) = &self.leaves {
            let kernel = self.target.kernel.as_ref().map_or("another kernel", |it| it.as_str());
            lines.push(format!(
                "The node must boot {kernel}: it is safer than {now}, or the only kernel that works."
            ));
        }
        if !self.left_out.is_empty() {
            lines.push("GPUs that are not used:".to_owned());
        }
        lines.extend(self.left_out().map(|line| format!("  {line}")));
        if let Some(verdict) = self.verdict() {
            for doubt in &verdict.doubts {
                lines.push(format!(
                    "Unverified: {}; {} decides.",
                    doubt.statement.says, doubt.settled_by
                ));
            }
            let notes = verdict.console.iter().chain(&verdict.warnings);
            lines.extend(notes.map(|note| format!("Note: {}.", note.says)));
        }
        if !self.others.is_empty() {
            lines.push("Why not another driver:".to_owned());
        }
        lines.extend(self.others.iter().map(|(release, why)| format!("  {release:<6} {why}")));
        lines.into_iter().map(|line| format!("# {line}")).collect()
    }

    /// Returns the supported GPUs, each with its mode.
    pub(crate) fn gpus(&self) -> impl Iterator<Item = String> {
        self.served.iter().map(|(_, it)| format!("  {}: {}", it.gpu, it.mode))
    }

    /// Returns the GPUs that are not used, each with the reason.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = String> {
        self.left_out.iter().map(|(gpu, why)| format!("{gpu}: {why}"))
    }

    /// Returns the items; the driver comes from this file, or from the one in the catalog.
    pub(crate) fn items(&self, file: Option<&LocalPath>) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(install) = self.verdict().and_then(|verdict| verdict.driver.as_ref()) {
            lines.extend(driver(install, file));
        }
        if let Some(unlock) = self.verdict().and_then(|verdict| verdict.unlock.as_ref()) {
            lines.extend(self.unlock(unlock));
        }
        lines
    }

    fn unlock(&self, unlock: &Unlock<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        let patched = self.verdict().and_then(|it| it.driver.as_ref());
        let patched = patched.is_some_and(|it| it.file == DriverFile::Patched);
        if let Some(it) = unlock.patch.filter(|_| patched) {
            lines.extend(patch(it));
        }
        if let Some(library) = unlock.library {
            lines.push(format!(
                "\n# The unlock library for this driver: {} at commit {}, version {}.",
                library.repository, library.commit, library.version
            ));
            lines.push("[[unlock]]".to_owned());
            lines.push("name = \"unlock/vgpu_unlock-rs.tar.zst\"".to_owned());
        }
        if unlock.config == Config::Branch16 {
            lines.push(
                "# The driver also needs the vgpuConfig.xml of a 16.x host driver.".to_owned(),
            );
        }
        lines
    }

    /// Returns the `[targets]` table.
    pub(crate) fn declaration(&self) -> Option<String> {
        let text = toml::to_string(&self.targets()?).ok()?;
        Some(format!(
            "\n[targets]                               # machines that the bundle is made for\n{text}"
        ))
    }

    /// Returns the choice in a few words.
    pub(crate) fn choice(&self) -> String {
        let count = self.served.len();
        let gpus = if count == 1 { "1 GPU".to_owned() } else { format!("{count} GPUs") };
        match self.goal {
            Goal::Vgpu { driver, .. } => format!("vGPU {driver} for {gpus}"),
            Goal::Passthrough => format!("passthrough of {gpus}"),
        }
    }
}

fn driver(install: &Install<'_>, from: Option<&LocalPath>) -> Vec<String> {
    let Driver { release, file, md5, .. } = install.driver;
    let path = from.map_or_else(|| format!("inputs/{file}"), ToString::to_string);
    let path = toml::Value::String(path);
    let md5 = md5.map(|md5| format!(", MD5 {md5}")).unwrap_or_default();
    vec![
        format!("\n# NVIDIA host driver of vGPU {release}, from the Linux KVM package{md5}."),
        format!("# Installer arguments: {}", install.args.join(" ")),
        "[[driver]]".to_owned(),
        format!("name = \"driver/{file}\""),
        format!("path = {path}"),
    ]
}

fn patch(patch: &Patch) -> Vec<String> {
    let host = &patch.host;
    let mut lines = vec![
        "\n# The unlock patch for exactly this driver.".to_owned(),
        "[[patch]]".to_owned(),
        format!("name = \"driver/{host}.patch\""),
        format!("path = \"inputs/{host}.patch\""),
    ];
    lines.extend(patch.sha256.map(|sha256| format!("sha256 = \"{sha256}\"")));
    lines
}
