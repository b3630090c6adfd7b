//! Confirmation that an installation works, from the host's state instead of exit statuses.
//!
//! A step checks its own result; these checks tell whether vGPUs are available. Each check has
//! one file: the expected state, and the next step if it is missing. Pure functions parse the
//! output of commands. Where commands do not run, checks that need them are skipped.

mod expected;
mod finding;
mod functions;
mod lines;
mod loaded;
mod module;
mod preload;
mod services;
mod sizes;
mod smi;
mod table;
#[cfg(test)]
mod tests;
mod types;

pub(crate) use self::expected::Expected;
pub(crate) use self::finding::{Check, Finding, Found, Proof, Unproven};
pub(crate) use self::lines::{Assignment, assignment};
pub(crate) use self::types::OfferedType;

pub(crate) use self::module::Built;
pub(crate) use self::sizes::add_sizes;
pub(crate) use self::table::table;

use vgpu_manifest::inventory::Gpu;

use crate::facts::{gpus, kernels, secure_boot};
use crate::host::{HostError, Look};

/// Runs all checks for the purpose of a plan.
///
/// Returns no findings if the plan has no driver.
pub(crate) fn prove(look: &dyn Look, expected: &Expected) -> Result<Proof, HostError> {
    let Some(driver) = &expected.driver else { return Ok(Proof::default()) };
    let version = driver.to_string();
    let kernels = kernels(look);
    let gpus = gpus(look);
    let built = module::Built::look(look, &version)?;
    let loaded = loaded::check(look, &version, &gpus, &expected.gpus)?;
    let tool = smi::check(look, &version, expected.cards, &loaded)?;
    let findings = [
        (Check::Module, module::running(&built, &kernels)),
        (Check::NextKernel, module::next(look, &built, &kernels)?),
        (Check::Signature, module::signature(look, secure_boot(look), &kernels)?),
        (Check::Loaded, loaded),
        (Check::Tool, tool),
    ];
    let mut proof = Proof::default();
    proof.renew(findings);
    announced(look, expected, &gpus, &mut proof)?;
    Ok(proof)
}

/// Repeats the checks whose results NVIDIA's daemons announce some time after their start. All
/// others stay: `dkms status` alone can take ten seconds.
pub(crate) fn prove_announced(
    look: &dyn Look,
    expected: &Expected,
    proof: &mut Proof,
) -> Result<(), HostError> {
    announced(look, expected, &gpus(look), proof)
}

fn announced(
    look: &dyn Look,
    expected: &Expected,
    gpus: &[Gpu],
    proof: &mut Proof,
) -> Result<(), HostError> {
    let units = services::look_at(look, &expected.services)?;
    let (offered, types) = types::check(look, gpus, &expected.gpus);
    proof.renew([
        (Check::Services, services::check(units.as_deref(), &expected.services)),
        (Check::Preload, preload::check(look, units.as_deref(), expected)?),
        (Check::Functions, functions::check(gpus, &expected.functions)),
        (Check::Types, types),
    ]);
    proof.types = offered;
    proof.daemons = services::daemons(units.as_deref());
    Ok(())
}
