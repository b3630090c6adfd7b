//! Builds the modules of a locked driver in a root of the node's release, and checks that the
//! node's kernel would load them.
//!
//! The root has nothing but the release's base and what the bundle brings. The installer itself
//! applies the bundle there, without a network and without the rights of root on this machine.

mod base;
mod log;
mod module;
mod namespace;
mod node;
mod rehearsal;
mod resolve;

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::driver::{CompilerVersion, DriverKind, DriverRecord, Proof};
use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::platform::KernelRelease;
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::verdict::Targets;
use vgpu_manifest::{Digest, Kind, Measure};

use self::base::Base;
use self::module::Module;
use self::namespace::Rights;
use self::rehearsal::Root;
use self::resolve::{Fault, Kernel};
use crate::cache::CacheLock;
use crate::items::unlock::oldest_glibc;
use crate::lock::Lock;
use crate::pack;
use crate::recipe::Apt;
use crate::ui::{Advise as _, Ui};

/// The modules do not work on the node: they do not build, or its kernel would refuse them.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Disproof {
    message: String,
    details: Vec<String>,
}

/// The most further reasons that an error lists.
const MAX_DETAILS: usize = 8;

impl Explain for Disproof {
    fn exit(&self) -> Option<Exit> {
        Some(Exit::Unsuitable)
    }

    fn details(&self) -> &[String] {
        &self.details
    }
}

/// The inputs and outputs of a proof.
#[derive(Debug)]
pub(crate) struct Job<'j> {
    pub(crate) lock: &'j Lock,
    pub(crate) apt: &'j [Apt],
    /// The folder of relative paths in the recipe.
    pub(crate) folder: &'j Utf8Path,
    /// The kernel; `None` for the one that the lock names.
    pub(crate) kernel: Option<&'j KernelRelease>,
    /// The program for the node.
    pub(crate) installer: &'j Utf8Path,
    /// The archive of a base root, instead of one that is made.
    pub(crate) base: Option<&'j Utf8Path>,
    /// The folder of base roots.
    pub(crate) roots: &'j Utf8Path,
    /// The log of everything that runs in the root.
    pub(crate) log: &'j Utf8Path,
}

impl Job<'_> {
    /// Builds and checks the modules, and returns the record of that.
    ///
    /// # Errors
    ///
    /// [`Disproof`] if they do not build, or the kernel would refuse them.
    pub(crate) fn run(&self, cache: &CacheLock<'_>, ui: &Ui) -> anyhow::Result<Proof> {
        let (targets, driver) = (self.targets()?, self.driver()?);
        let kernel = self.kernel(targets)?;
        let rights = Rights::detect()?;
        let whole = pack::manifest(self.lock, cache)?;
        let unproven = Proof {
            kernel: kernel.clone(),
            driver: driver.version.clone(),
            inputs: self.lock.inputs_of_build(),
            compiler: compiler("unknown")?,
            log: Digest::of(b""),
            modules: Vec::new(),
        };
        let manifest = rehearsal::manifest(whole, rehearsal::claim(unproven.clone()));
        let path = self.log;
        let unusable = || format!("cannot write the log `{path}`");
        let mut log = File::create(path).with_context(unusable)?;
        let base = self.base(rights, ui)?;
        let root = Root::unpack(rights, &base, self.roots)?;
        node::boot(&root.path, &kernel, targets)?;
        ui.note(format_args!("build driver {} for kernel {kernel}", driver.version));
        let outputs = (&mut log, ui);
        rehearsal::apply(&root, &manifest, cache.cache(), self.installer, outputs)?;
        let modules = self.modules(&root, &unproven, &mut log)?;
        Self::check(&root, &kernel, targets, &unproven, &modules)?;
        self.check_libraries(&root, cache, &mut log)?;
        let mut first = String::new();
        root.run(&["gcc", "--version"], &mut log, &mut |line| {
            if first.is_empty() {
                line.clone_into(&mut first);
            }
        })?;
        let mut log = File::open(path).with_context(unusable)?;
        Ok(Proof {
            compiler: compiler(&first)?,
            log: Measure::of(&mut log).with_context(unusable)?.sha256,
            modules: modules.into_iter().map(|module| module.built).collect(),
            ..unproven
        })
    }

    fn targets(&self) -> anyhow::Result<&Targets> {
        let purpose = self.lock.purpose.as_ref().map(|purpose| &purpose.targets);
        purpose
            .context("the recipe names no targets, so the arguments of the driver are unknown")
            .exit(Exit::Usage)
            .hint("add `[targets]` with `gpu`, `driver` and `kernel` to the recipe")
    }

    fn driver(&self) -> anyhow::Result<&DriverRecord> {
        let mut drivers = self.lock.items.iter().filter_map(|item| item.kind.driver());
        drivers
            .find(|record| record.kind == DriverKind::Host)
            .context("the lock has no host driver")
            .exit(Exit::Usage)
    }

    /// Returns the kernel to build for, whose headers the lock must have.
    fn kernel(&self, targets: &Targets) -> anyhow::Result<KernelRelease> {
        let headers = self.lock.items.iter().filter_map(|item| item.kind.headers());
        let known: Vec<_> = headers.map(|record: &HeadersRecord| &record.kernel).collect();
        let names: Vec<_> = known.iter().map(ToString::to_string).collect();
        let only = known.first().copied().filter(|_| known.len() == 1);
        let Some(kernel) = self.kernel.or(targets.kernel.as_ref()).or(only) else {
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(Exit::Usage.error(format!(
                "the recipe names no kernel, and the lock has headers of {names}"
            )))
            .hint("select one: `--kernel RELEASE`");
        };
        if known.contains(&kernel) {
            return Ok(kernel.clone());
        }
        let missing = format!("the lock has no headers of kernel {kernel}");
        Err(Exit::Unsuitable.error(missing)).hint(format!(
            "add the package of its headers to the recipe; it has {}",
            names.join(", ")
        ))
    }

    /// Returns the archive of the base root.
    fn base(&self, rights: Rights, ui: &Ui) -> anyhow::Result<Utf8PathBuf> {
        let roots = self.roots;
        fs::create_dir_all(roots).with_context(|| format!("cannot create `{roots}`"))?;
        if let Some(base) = self.base {
            return Ok(base.to_owned());
        }
        match self.apt {
            [apt] => Base::of(self.lock, apt, self.folder)?.obtain(rights, roots, ui),
            _ => Err(Exit::Usage.error("the recipe has packages of no release, or of several"))
                .hint("name an archive of a root of the node's release with `--base`"),
        }
    }

    /// Reads the modules that DKMS built; without any, the log of the build says why, and is
    /// appended to `to`, because the root goes.
    fn modules(&self, root: &Root, wanted: &Proof, to: &mut File) -> anyhow::Result<Vec<Module>> {
        let Proof { kernel, driver, .. } = wanted;
        let tree = root.path.join(format!("var/lib/dkms/nvidia/{driver}"));
        let built = tree.join(format!("{kernel}/x86_64/module"));
        let paths: Vec<_> = match built.read_dir_utf8() {
            Ok(entries) => entries.flatten().map(camino::Utf8DirEntry::into_path).collect(),
            Err(_) => Vec::new(),
        };
        if !paths.is_empty() {
            let modules = paths.iter().map(|path| Module::read(path));
            let mut modules: Vec<_> = modules.collect::<anyhow::Result<_>>()?;
            modules.sort_by(|a, b| a.built.name.cmp(&b.built.name));
            return Ok(modules);
        }
        let (log, made) = (self.log, tree.join("build/make.log"));
        let cause = [&made, log].into_iter().find_map(|path| {
            let file = File::open(path).ok()?;
            log::first_error(BufReader::new(file)).ok()?
        });
        if let Ok(mut made) = File::open(&made) {
            let mut append = || {
                writeln!(to, "$ cat /var/lib/dkms/nvidia/{driver}/build/make.log")?;
                io::copy(&mut made, to)
            };
            append().with_context(|| format!("cannot write the log `{log}`"))?;
        }
        let message = match cause {
            Some(cause) => {
                format!("driver {driver} does not build for kernel {kernel}: {cause}")
            }
            None => format!(
                "driver {driver} was not built for kernel {kernel}: {}",
                last_error(log).unwrap_or_else(|| "the log does not say why".to_owned())
            ),
        };
        Err(Disproof { message, details: Vec::new() }.into())
    }

    /// Checks that the kernel would load the modules.
    fn check(
        root: &Root,
        kernel: &KernelRelease,
        targets: &Targets,
        wanted: &Proof,
        modules: &[Module],
    ) -> anyhow::Result<()> {
        let path = root.path.join(format!("usr/src/linux-headers-{kernel}/Module.symvers"));
        let mut symvers = String::new();
        let file = File::open(&path).with_context(|| format!("cannot read `{path}`"))?;
        file.take(HeadersRecord::MAX_FILE).read_to_string(&mut symvers)?;
        let secure_boot = targets.secure_boot;
        let node = Kernel { release: kernel, symvers: &symvers, secure_boot };
        let faults = node.refuses(modules, &wanted.driver)?;
        let mut lines = faults.iter().map(Fault::to_string);
        let Some(message) = lines.next() else { return Ok(()) };
        let mut details: Vec<_> = lines.collect();
        if details.len() > MAX_DETAILS {
            let more = details.len() - MAX_DETAILS;
            details.truncate(MAX_DETAILS);
            details.push(format!("and {more} more"));
        }
        Err(Disproof { message, details }.into())
    }

    /// Checks that programs of the node load each unlock library, and that it exports what it
    /// replaces.
    fn check_libraries(
        &self,
        root: &Root,
        cache: &CacheLock<'_>,
        log: &mut File,
    ) -> anyhow::Result<()> {
        for item in &self.lock.items {
            if !matches!(item.kind, Kind::UnlockLibrary(_)) {
                continue;
            }
            let mut bytes = Vec::new();
            cache.cache().open_content(item.sha256)?.read_to_end(&mut bytes)?;
            oldest_glibc(&bytes).with_context(|| format!("item `{}`", item.name))?;
            let place = "srv/vgpu-prove/preload.so";
            fs::write(root.path.join(place), &bytes)?;
            let preload = format!("LD_PRELOAD=/{place}");
            let mut complaint = None;
            root.run(&["env", &preload, "true"], log, &mut |line| {
                complaint.get_or_insert_with(|| line.to_owned());
            })?;
            if let Some(complaint) = complaint {
                let message = format!("the node cannot load `{}`: {complaint}", item.name);
                return Err(Disproof { message, details: Vec::new() }.into());
            }
        }
        Ok(())
    }
}

fn compiler(text: &str) -> anyhow::Result<CompilerVersion> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    match text.parse() {
        Ok(version) => Ok(version),
        Err(_) => bail!("the root has no `gcc`, although the modules were built"),
    }
}

/// Returns the last error of the installer in a log.
fn last_error(path: &Utf8Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut errors = text.lines().rev().filter_map(|line| line.strip_prefix("error: "));
    errors.next().map(|line| line.chars().take(400).collect())
}
