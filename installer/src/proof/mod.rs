//! Whether an installation works, by looking and not by exit status.
//!
//! A step says whether what it was for is true; this says whether vGPUs can be had. Each check is a
//! file: what it needs to see, and what to do where it does not see it. What commands print is read
//! by pure functions. Where no commands run, what only they can tell is not asked.

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

pub use self::expected::Expected;
pub use self::finding::{Check, Finding, Found, Proof, Unproven};
pub use self::lines::lines;
pub use self::types::OfferedType;

pub(crate) use self::module::{Built, newest};
pub(crate) use self::sizes::add_sizes;
pub(crate) use self::table::table;

use crate::facts::{gpus, kernels, secure_boot};
use crate::host::{HostError, Look};

/// Look whether the host shows what a plan was for.
///
/// Nothing is asked where the plan brings no driver.
pub fn prove(look: &dyn Look, expected: &Expected) -> Result<Proof, HostError> {
    let Some(driver) = &expected.driver else { return Ok(Proof::default()) };
    let version = driver.to_string();
    let kernels = kernels(look);
    let gpus = gpus(look);
    let units = services::look_at(look, &expected.services)?;
    let built = module::Built::look(look, &version)?;
    let (offered, types) = types::check(look, &gpus, &expected.gpus);
    let findings = [
        (Check::Module, module::running(&built, &kernels)),
        (Check::NextKernel, module::next(&built, &kernels)),
        (Check::Signature, module::signature(look, secure_boot(look), &kernels)?),
        (Check::Loaded, loaded::check(look, &version)?),
        (Check::Tool, smi::check(look, &version, expected.cards)?),
        (Check::Services, services::check(units.as_deref(), &expected.services)),
        (Check::Preload, preload::check(look, units.as_deref(), expected)?),
        (Check::Functions, functions::check(&gpus, expected.functions)),
        (Check::Types, types),
    ];
    let findings = findings.into_iter().map(|(check, finding)| Found { check, finding });
    Ok(Proof { findings: findings.collect(), types: offered })
}
