//! The conformance kit: bundles with the verdict that every reader of the format must reach.
//!
//! The scripts of `tests/hostile` make the bundles. The kit is a folder of files and an index in JSON,
//! so that other implementations of `docs/FORMAT.md` can use it without this project's code.

use std::fs;
use std::io;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vgpu_manifest::ProgramVersion;

use crate::sample::{Sample, parts};

/// The name of the index in the folder of a kit.
pub const INDEX: &str = "index.json";

/// The version of the index.
const SCHEMA: u32 = 1;

/// The programs that the scripts use.
pub const TOOLS: [&str; 5] = ["tar", "dd", "awk", "ssh-keygen", "sha256sum"];

/// The index of a kit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Index {
    /// The version of the index: 1.
    pub schema: u32,
    /// The version of the programs that the kit was made with.
    pub program: ProgramVersion,
    /// The cases, by name.
    pub cases: Vec<Case>,
}

/// One bundle, and the verdict on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Case {
    /// Its number and name.
    pub name: String,
    /// Its fault, or its peculiarity if it is good, in one sentence.
    pub fault: String,
    /// The bundle, or the first of its parts, relative to the index.
    pub bundle: Utf8PathBuf,
    /// The type of that file.
    pub file: FileKind,
    /// The policy to judge it by, relative to the index.
    pub policy: Utf8PathBuf,
    /// The verdict.
    pub verdict: Verdict,
    /// The programs that can reach it.
    pub verifiers: Verifiers,
    /// The exit status of this project's programs.
    pub exit: i32,
    /// The class of the exit status.
    pub class: Class,
    /// Fragments of the message of this project's programs. Another implementation may word its
    /// reason differently, but must refuse for this reason.
    pub reason: Vec<String>,
}

/// The type of a bundle's file. Types other than `file` cannot be copied by every program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Something else, such as a FIFO.
    Special,
}

/// Whether a reader must accept a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is good: every byte is signed and intact.
    Accept,
    /// It must be refused.
    Refuse,
}

/// The programs that a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verifiers {
    /// Every reader of bundles.
    All,
    /// Nodes only: the verdict depends on the version of the policy, which a laptop does not have.
    Node,
}

/// The class of an exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// 0.
    Good,
    /// 1: the file cannot be read, or has no version that this program reads.
    Failed,
    /// 3: untrusted or corrupt.
    Untrusted,
}

/// A folder of `tests/hostile`.
#[derive(Debug)]
pub struct Script {
    /// The name of the folder.
    pub name: String,
    /// The first line of the script: what is wrong with its bundle.
    pub fault: String,
    folder: Utf8PathBuf,
    threshold: usize,
    verifiers: Verifiers,
    /// The expected exit status.
    pub exit: i32,
    /// Fragments of the expected message.
    pub reason: Vec<String>,
}

impl Script {
    /// Returns the whole collection, ordered by name.
    pub fn all() -> Result<Vec<Self>> {
        let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile");
        let entries = folder.read_dir_utf8()?.collect::<io::Result<Vec<_>>>()?;
        let folders = entries.into_iter().filter(|entry| entry.path().is_dir());
        let mut all = folders.map(|it| Self::read(it.path())).collect::<Result<Vec<_>>>()?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn read(folder: &Utf8Path) -> Result<Self> {
        let text = |name: &str| fs::read_to_string(folder.join(name));
        let expect = text("expect")?;
        let mut lines = expect.lines().map(str::to_owned);
        let script = text("make.sh")?;
        Ok(Self {
            name: folder.file_name().unwrap_or_default().to_owned(),
            fault: script.lines().next().unwrap_or_default().to_owned(),
            folder: folder.to_owned(),
            threshold: text("threshold").map_or(Ok(1), |text| text.trim().parse())?,
            verifiers: match text("only") {
                Ok(text) if text == "node\n" => Verifiers::Node,
                Ok(text) => bail!("`only` is {text:?}"),
                Err(_) => Verifiers::All,
            },
            exit: lines.next().context("`expect` is empty")?.parse()?,
            reason: lines.collect(),
        })
    }

    /// Runs the script, which makes the bundle of a good one.
    fn make(&self, sample: &Sample, good: &Utf8Path, kit: &Utf8Path) -> Result<Case> {
        let scratch = sample.path("scratch").join(&self.name);
        fs::create_dir_all(&scratch)?;
        let mut bundle = Utf8PathBuf::from(format!("bundles/{}.vgpu.tar", self.name));
        let mut command = Command::new("sh");
        let made = kit.join(&bundle);
        command.arg(self.folder.join("make.sh")).args([good, &sample.keys().join("alice"), &made]);
        let output = command.current_dir(&scratch).output()?;
        fs::remove_dir_all(&scratch)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: make.sh failed: {said}", self.name);
        if kit.join(format!("{bundle}.001")).exists() {
            bundle = format!("{bundle}.001").into();
        }
        let kind = fs::symlink_metadata(kit.join(&bundle))?.file_type();
        Ok(Case {
            name: self.name.clone(),
            fault: self.fault.trim_start_matches("# ").to_owned(),
            file: match kind {
                _ if kind.is_file() => FileKind::File,
                _ if kind.is_dir() => FileKind::Folder,
                _ if kind.is_symlink() => FileKind::Link,
                _ => FileKind::Special,
            },
            bundle,
            policy: policy(self.threshold),
            verdict: if self.exit == 0 { Verdict::Accept } else { Verdict::Refuse },
            verifiers: self.verifiers,
            exit: self.exit,
            class: match self.exit {
                0 => Class::Good,
                3 => Class::Untrusted,
                _ => Class::Failed,
            },
            reason: self.reason.clone(),
        })
    }
}

fn policy(threshold: usize) -> Utf8PathBuf {
    format!("policies/threshold-{threshold}.toml").into()
}

/// Writes a kit with the cases that `wanted` selects by name, and the good bundle that they were made
/// from.
///
/// # Errors
///
/// A script fails, or the folder is not empty.
pub fn write(sample: &Sample, kit: &Utf8Path, wanted: impl Fn(&str) -> bool) -> Result<Index> {
    fs::create_dir_all(kit)?;
    ensure!(kit.read_dir_utf8()?.next().is_none(), "the folder `{kit}` is not empty");
    for folder in ["bundles", "policies"] {
        fs::create_dir(kit.join(folder))?;
    }
    for threshold in [1, 2] {
        fs::write(kit.join(policy(threshold)), sample.policy_text(threshold)?)?;
    }
    fs::write(kit.join("policies/allowed_signers"), sample.allowed_signers()?)?;
    fs::write(kit.join("policies/revoked_keys"), sample.revoked_keys()?)?;

    let mut cases = Vec::new();
    for (threshold, signers) in [(1, &["alice"][..]), (2, &["alice", "bob"])] {
        let name = format!("000-good-{threshold}");
        let bundle = Utf8PathBuf::from(format!("bundles/{name}.vgpu.tar"));
        fs::copy(sample.write("good.vgpu.tar", &parts(), signers)?, kit.join(&bundle))?;
        cases.push(Case {
            name,
            fault: "The good bundle that the other bundles were made from.".to_owned(),
            bundle,
            file: FileKind::File,
            policy: policy(threshold),
            verdict: Verdict::Accept,
            verifiers: Verifiers::All,
            exit: 0,
            class: Class::Good,
            reason: Vec::new(),
        });
    }
    let good = kit.join(&cases[0].bundle);
    for script in Script::all()?.iter().filter(|script| wanted(&script.name)) {
        cases.push(script.make(sample, &good, kit)?);
    }
    let index = Index { schema: SCHEMA, program: ProgramVersion::current(), cases };
    fs::write(kit.join(INDEX), serde_json::to_string_pretty(&index)? + "\n")?;
    Ok(index)
}
