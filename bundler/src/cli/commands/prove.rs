use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_manifest::driver::Proof;
use vgpu_manifest::platform::KernelRelease;

use super::Context;
use super::fetch::fetch;
use crate::cli::options::InputArgs;
use crate::prove::Job;
use crate::relock::now;
use crate::ui::{Advise as _, print_json};

/// Build and check the driver's modules for the node's kernel.
///
/// Makes a root of the node's release, installs the bundle's packages and driver in it with the
/// program for the node, and checks that the kernel would load the modules. The lock then has the
/// result. Nothing outside the cache changes, and no root is needed where users may have
/// namespaces. Exits with 4 if the modules do not build, or the kernel would refuse them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Program for the node, the one that `write` takes
    #[arg(long, value_name = "FILE")]
    installer: Utf8PathBuf,

    /// Kernel to build for [default: that of the targets, or the only one with headers]
    #[arg(long, value_name = "RELEASE")]
    kernel: Option<KernelRelease>,

    /// Tar archive of a root of the node's release [default: made with mmdebstrap, and cached]
    #[arg(long, value_name = "FILE")]
    base: Option<Utf8PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    inputs: InputArgs,
}

/// A build of the driver for the node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Report<'r> {
    /// The lock.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    lock: &'r Utf8PathBuf,
    /// Its sequence.
    sequence: u64,
    /// The log of the build.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    log_file: &'r Utf8PathBuf,
    /// The record of the build.
    proof: &'r Proof,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let (project, network) = self.inputs.resolve()?;
        let locked = project.lock()?;
        let cache = context.cache()?;
        let lock = context.lock(&cache)?;
        fetch(context, &project, &network, &lock, &locked)?;
        let log = project.lock_path.with_extension("prove.log");
        let job = Job {
            lock: &locked,
            apt: &project.recipe.apt,
            folder: &project.base,
            kernel: self.kernel.as_ref(),
            installer: &self.installer,
            base: self.base.as_deref(),
            roots: &context.cache_dir()?.join("roots"),
            log: &log,
        };
        let proof = job.run(&lock, &context.ui).hint(format!("see the log `{log}`"))?;
        context.ui.note(&proof);
        let proven = locked.with_proof(proof.clone(), now()?);
        proven.write(&project.lock_path)?;
        if self.json {
            let (lock, log_file) = (&project.lock_path, &log);
            let report = Report { lock, sequence: proven.sequence, log_file, proof: &proof };
            return Ok(print_json(&report)?);
        }
        let path = &project.lock_path;
        context.ui.note(format_args!("wrote `{path}`: {} {}", proven.name, proven.sequence));
        context.ui.note("next: vgpu-bundler build");
        Ok(())
    }
}
