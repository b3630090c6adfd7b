//! The unpacked driver package: extracted by its own script, patched by this program.

use std::io;

use vgpu_manifest::Mode;
use vgpu_manifest::patch::{Applied, MAX_PATCH, Patch};

use super::{DriverError, DriverPatch, DriverSpec};
use crate::host::{Command, Content, Host, Work};
use crate::state;

/// The name of the folder in the work area.
pub(crate) const AREA: &str = "driver";

/// Makes the package unpack itself into the folder `tree` of a new work area.
pub(crate) fn unpack<'h>(
    host: &'h mut dyn Host,
    area: &str,
    package: Content,
) -> Result<Work<'h>, DriverError> {
    let mut work = Work::fresh(host, area)?;
    work.link(package, "package.run", Mode::DIR)?;
    // The package unpacks through pipes; its temporary files may not fit into /tmp.
    work.dir("tmp")?;
    let [package, tree, tmp] =
        ["package.run", "tree", "tmp"].map(|name| work.path(name).to_string());
    let words = [package.as_str(), "--extract-only", "--target", &tree, "--tmpdir", &tmp];
    work.run(&Command::new("sh", &words))?;
    Ok(work)
}

/// Unpacks and patches a driver.
pub(crate) fn prepare<'h>(
    host: &'h mut dyn Host,
    spec: &DriverSpec,
) -> Result<Work<'h>, DriverError> {
    let mut work = unpack(host, AREA, spec.content)?;
    spec.patches.iter().try_for_each(|patch| apply(&mut work, patch))?;
    Ok(work)
}

/// Applies one patch, and verifies its input and output against the manifest.
fn apply(work: &mut Work<'_>, record: &DriverPatch) -> Result<(), DriverError> {
    let bytes = work.look().read_up_to(&state::stored(record.content.id), MAX_PATCH)?;
    let Some(bytes) = bytes else {
        // A rehearsal runs before the store is filled, and unpacks nothing that could be patched.
        let rehearses = work.ask(&Command::new("true", &[]))?.is_none();
        return if rehearses { Ok(()) } else { Err(DriverError::Gone(record.item.clone())) };
    };
    let patch =
        Patch::parse(&bytes).map_err(|error| DriverError::Patch(record.item.clone(), error))?;
    for file in patch.files() {
        let known = record.files.iter().find(|known| known.path == *file.path());
        let Some(known) = known else { return Err(DriverError::Differs(file.path().clone())) };
        let mut outcome = None;
        let name = format!("tree/{}", file.path().as_str());
        work.rewrite(&name, &mut |old, new| {
            let applied = file.apply(old, new);
            let after = applied.as_ref().ok().and_then(|applied| applied.after);
            let failed = applied.is_err();
            outcome = Some(applied);
            if failed { Err(io::Error::other("it does not fit")) } else { Ok(after.is_some()) }
        })
        .map_err(|error| match outcome.take() {
            Some(Err(fault)) => DriverError::Apply(fault),
            _ => error.into(),
        })?;
        let expected = Applied { before: known.before, after: known.after };
        // Where nothing is rewritten, as in a rehearsal, there is nothing to compare.
        if let Some(Ok(applied)) = outcome
            && applied != expected
        {
            return Err(DriverError::Differs(file.path().clone()));
        }
    }
    Ok(())
}
