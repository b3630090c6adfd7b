//! The rehearsal of a bundle in a root: the same installer, with the same items for the driver.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitStatus};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{KeyFile, Signer as _};
use vgpu_manifest::driver::{BuiltModule, DriverKind, ModuleSignature, Proof};
use vgpu_manifest::ui::Exit;
use vgpu_manifest::{Digest, Item, Kind, Manifest, Target, Wants, write_bundle};

use super::namespace::Rights;
use super::node;
use crate::cache::Cache;
use crate::ui::Ui;

/// The folder of the program, the bundle and the key, in the root.
const STAGE: &str = "srv/vgpu-prove";

/// The beginning of the names of roots.
const PREFIX: &str = "root-";

/// The longest line of a program that is looked at, in bytes.
const MAX_LINE: u64 = 16 << 10;

/// A root that is removed on drop.
#[derive(Debug)]
pub(super) struct Root {
    rights: Rights,
    pub(super) path: Utf8PathBuf,
}

impl Root {
    /// Unpacks a base into a new folder below `folder`.
    pub(super) fn unpack(
        rights: Rights,
        base: &Utf8Path,
        folder: &Utf8Path,
    ) -> anyhow::Result<Self> {
        let what = || format!("cannot create a folder in `{folder}`");
        // Roots of killed runs. The lock of the cache is held, so no other run has one.
        for entry in folder.read_dir_utf8().with_context(what)?.flatten() {
            if entry.file_name().starts_with(PREFIX) {
                drop(Self { rights, path: entry.into_path() });
            }
        }
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder).with_context(what)?;
        let path = Utf8PathBuf::from_path_buf(dir.keep()).map_err(|_| anyhow::anyhow!(what()))?;
        let root = Self { rights, path };
        // A root's own folder is readable by all, also by programs that have given up their rights.
        fs::set_permissions(&root.path, fs::Permissions::from_mode(0o755)).with_context(what)?;
        // Users cannot make devices; the ones of this machine are mounted.
        let words = ["tar", "--extract", "--numeric-owner", "--preserve-permissions"];
        let more =
            ["--exclude=./dev/*", "--file", base.as_str(), "--directory", root.path.as_str()];
        rights.run(&[&words[..], &more].concat()).context("cannot unpack the base root")?;
        Ok(root)
    }

    /// Runs a program without a network, appends its output to `log`, and calls `each` with each
    /// line.
    pub(super) fn run(
        &self,
        words: &[&str],
        log: &mut File,
        each: &mut dyn FnMut(&str),
    ) -> anyhow::Result<ExitStatus> {
        writeln!(log, "$ {}", words.join(" "))?;
        let run = || -> io::Result<(Child, io::PipeReader)> {
            let (reader, writer) = io::pipe()?;
            let mut command: Command = self.rights.inside(&self.path, words);
            command.stdout(writer.try_clone()?).stderr(writer);
            // The command keeps the pipe open, so it is dropped here.
            Ok((Child(command.spawn()?), reader))
        };
        let (mut child, reader) = run().context("cannot run `unshare`")?;
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            log.write_all(&line)?;
            each(String::from_utf8_lossy(&line).trim_end());
        }
        Ok(child.0.wait()?)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // Files of other users can only be removed in a namespace that has these users.
        let words = ["rm", "-rf", "--one-file-system", self.path.as_str()];
        let _ = self.rights.run(&words);
    }
}

/// A program that is ended on drop.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // After a wait, there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the manifest of a bundle for one kernel that installs only packages and driver.
///
/// It states that the modules build: only then is the driver installed where sources differ about
/// that, and the build itself decides.
pub(super) fn manifest(whole: Manifest, claim: Proof) -> Manifest {
    let documents: Vec<_> =
        whole.archives.iter().flat_map(|archive| archive.items().cloned()).collect();
    let counts = |item: &Item| match item.kind() {
        Kind::Driver(record) => {
            matches!(record.kind, DriverKind::Host | DriverKind::ConfigOnly)
        }
        Kind::Patch(_)
        | Kind::Package(_)
        | Kind::Headers(_)
        | Kind::UnlockSource(_)
        | Kind::UnlockLibrary(_)
        | Kind::Catalog(_) => true,
        _ => documents.contains(item.name()),
    };
    let Wants { packages, unlock, overrides, .. } = whole.wants;
    let items = whole.items.into_iter().filter(counts).collect();
    let wants = Wants { packages, unlock, overrides, ..Wants::default() };
    Manifest { wants, items, proofs: vec![claim], ..whole }
}

/// Returns the claim of [`manifest`], with placeholders for everything that only a build tells.
pub(super) fn claim(proof: Proof) -> Proof {
    let placeholder = |name: &str| BuiltModule {
        name: name.parse().unwrap_or_else(|_| unreachable!("a constant name of a module")),
        sha256: Digest::of(b""),
        signature: ModuleSignature::Unsigned,
    };
    Proof { modules: vec![placeholder("nvidia")], ..proof }
}

/// Applies the bundle of `manifest` in a root, with this installer.
///
/// Its exit status says too much to decide anything: without a GPU, no service of the driver works.
/// The modules that are there afterwards decide.
pub(super) fn apply(
    root: &Root,
    manifest: &Manifest,
    cache: &Cache,
    installer: &Utf8Path,
    (log, ui): (&mut File, &Ui),
) -> anyhow::Result<ExitStatus> {
    let stage = root.path.join(STAGE);
    fs::create_dir_all(&stage).with_context(|| format!("cannot create `{stage}`"))?;
    let program = stage.join("vgpu-installer");
    fs::copy(installer, &program).with_context(|| format!("cannot copy `{installer}`"))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    // A key for this root only, which ends with this process.
    let key = KeyFile::generate("vgpu-bundler prove")?;
    fs::write(stage.join("key.pub"), key.public_line())?;
    let bundle = stage.join("bundle.vgpu.tar");
    let size = manifest.items.iter().map(Item::size).sum();
    let transfer = ui.transfer("pack", "the rehearsal");
    transfer.expect(Some(size), 0);
    let target = Target { path: &bundle, split: None };
    write_bundle(manifest, cache, &[&key], target, &|bytes| transfer.advance(bytes))?;
    transfer.done(size);

    let at = |name: &str| format!("/{STAGE}/{name}");
    let (program, public, bundle) = (at("vgpu-installer"), at("key.pub"), at("bundle.vgpu.tar"));
    let fingerprint = key.public_key().fingerprint().to_string();
    let trust = [
        &*program,
        "trust",
        "add",
        &*public,
        "--principal",
        "prove",
        "--channel",
        manifest.channel.as_str(),
        "--fingerprint",
        &*fingerprint,
    ];
    let mut last = String::new();
    let status = root.run(&trust, log, &mut |line| line.clone_into(&mut last))?;
    if !status.success() {
        anyhow::bail!("the installer does not run in the root ({status}): {last}");
    }
    // The steps, as `[2/7] install packages: …`.
    let mut step = |line: &str| {
        if line.starts_with('[') && line.contains("] ") {
            ui.note(line);
        }
    };
    let words = [&*program, "apply", &*bundle, "--yes", "--no-resume", "--debug"];
    let status = root.run(&words, log, &mut step)?;
    if status.code() != Some(i32::from(Exit::Reboot.code())) {
        return Ok(status);
    }
    // The bundle brings a kernel, so the driver waits for it.
    ui.note("reboot");
    node::reboot(&root.path)?;
    root.run(&[&*program, "apply", "--yes", "--debug"], log, &mut step)
}
