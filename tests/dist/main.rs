//! Writes the programs to install, with packages, pages and digests, into a folder: `cargo dist`.
//!
//! The same sources and the same tools give the same bytes in any folder, for any user and umask;
//! see docs/RELEASING.md.

mod deb;
mod pages;
mod programs;
mod source;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Parser as _;
use vgpu_manifest::Digest;

use self::programs::Program;
use self::source::{Source, run};

/// Write the programs, their packages and digests into a folder
#[derive(Debug, clap::Parser)]
#[command(name = "dist", help_expected = true)]
struct Args {
    /// Output folder; an earlier result in it is replaced
    #[arg(long, value_name = "DIR", default_value = "dist")]
    output: Utf8PathBuf,

    /// SSH key that signs the installer and the digests, as `ssh-keygen -Y sign` takes it
    #[arg(long, value_name = "FILE")]
    key: Option<Utf8PathBuf>,

    /// Write only the program for the node, without packages and pages
    #[arg(long)]
    installer_only: bool,
}

/// The list of digests, which also marks a folder as a result of this program.
const SUMS: &str = "SHA256SUMS";

fn main() -> ExitCode {
    match Args::parse().make() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Args {
    fn make(&self) -> Result<()> {
        let output = camino::absolute_utf8(&self.output)?;
        may_be_replaced(&output)?;
        // A run that fails leaves the earlier result, and a folder that the next run replaces.
        let partial = Utf8PathBuf::from(format!("{output}.partial"));
        empty(&partial)?;
        self.fill(&partial)?;
        empty(&output)?;
        fs::rename(&partial, &output).with_context(|| format!("cannot create `{output}`"))?;
        match &self.key {
            Some(key) => eprintln!("wrote `{output}`, signed with `{key}`"),
            None => eprintln!("wrote `{output}`, unsigned: `--key FILE` signs"),
        }
        Ok(())
    }

    /// Writes everything into an empty folder.
    fn fill(&self, output: &Utf8Path) -> Result<()> {
        let key = self.key.as_deref().map(camino::absolute_utf8).transpose()?;
        let source = Source::of_current_folder()?;
        let programs: &[Program] =
            if self.installer_only { &[Program::Installer] } else { &Program::ALL };
        for program in programs {
            let built = program.build(&source)?;
            put(&output.join(program.name()), &fs::read(&built)?, 0o755)?;
            let bom = program.bom(&source, &built)?;
            put(&output.join(format!("{}.cdx.json", program.name())), bom.as_bytes(), 0o644)?;
        }
        put(&output.join("BUILD-INFO"), source.build_info(programs)?.as_bytes(), 0o644)?;
        if !self.installer_only {
            pages::write(&source, output)?;
            for program in Program::ALL {
                deb::write(&source, program, output)?;
            }
        }
        put(&output.join(SUMS), sums(output)?.as_bytes(), 0o644)?;
        if let Some(key) = key {
            sign(&key, "vgpu-installer", &output.join(Program::Installer.name()))?;
            sign(&key, "file", &output.join(SUMS))?;
        }
        Ok(())
    }
}

/// Checks that a folder is new, empty or an earlier result.
fn may_be_replaced(folder: &Utf8Path) -> Result<()> {
    let is_empty = !folder.exists() || folder.read_dir_utf8()?.next().is_none();
    if !is_empty && !folder.join(SUMS).is_file() {
        bail!("`{folder}` has other files; name an empty or new folder with `--output`");
    }
    Ok(())
}

/// Creates an empty folder in place of an existing one.
fn empty(folder: &Utf8Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create `{folder}`"))
}

/// Writes a file with its folders, with these permissions whatever the umask.
fn put(path: &Utf8Path, bytes: &[u8], mode: u32) -> Result<()> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, bytes)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    write().with_context(|| format!("cannot write `{path}`"))
}

/// Returns the files below a folder, in order.
fn files(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8()? {
        let path = entry?.into_path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the digests of all files, as `sha256sum` writes them. Signatures are not among them, so
/// that another builder gets the same list.
fn sums(folder: &Utf8Path) -> Result<String> {
    let line = |path: Utf8PathBuf| {
        let digest = Digest::of(&fs::read(&path)?);
        Ok(format!("{digest}  {}\n", path.strip_prefix(folder)?))
    };
    files(folder)?.into_iter().map(line).collect()
}

/// Signs a file, next to it. `ssh-keygen` prompts for a passphrase, and uses an agent.
fn sign(key: &Utf8Path, namespace: &str, file: &Utf8Path) -> Result<()> {
    run(Command::new("ssh-keygen").args([
        "-q",
        "-Y",
        "sign",
        "-f",
        key.as_str(),
        "-n",
        namespace,
        file.as_str(),
    ]))
}
