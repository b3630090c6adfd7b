//! The decision whether the resume unit continues a plan on this boot.
//!
//! The unit must not disturb a host in trouble: it tries once per boot, never on the boot of phase 1,
//! and gives up after two incomplete attempts, including those ended by a power cut.

use serde::{Deserialize, Serialize};
use vgpu_manifest::platform::KernelRelease;

use crate::act::Transaction;
use crate::facts::{SigningKey, kernels};
use crate::host::{Host, HostError, Look, OwnPath, OwnState};
use crate::journal::{BootId, TxId};
use crate::plan::{Plan, enabled};
use crate::state;
use crate::step::{Step, enrollment};

/// The number of attempts.
const TRIES: u32 = 2;

/// The decision whether to resume now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum May {
    /// Resume.
    Go,
    /// Not on this boot: phase 1 ran on it, or an attempt was made on it.
    NotOnThisBoot,
    /// Not on this kernel: the one that was selected for this boot did not boot.
    FellBack(KernelRelease),
    /// Not without the operator: the key was not enrolled at the console.
    NotEnrolled,
    /// No more attempts.
    GaveUp,
}

/// The number of attempts made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Tries {
    tx: TxId,
    boot: BootId,
    count: u32,
}

fn memory() -> OwnPath {
    state::dir().join("resume.json")
}

fn tries(look: &dyn Look, tx: TxId) -> Option<Tries> {
    state::recall::<Tries>(look, &memory()).filter(|tries| tries.tx == tx)
}

/// The actor that resumes an interrupted apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Resumption {
    /// The unit, after the next boot.
    ByItself,
    /// The unit, after the operator has enrolled the signing key at the console during the next boot.
    AfterEnrollment,
    /// The operator, because the unit has used up its attempts.
    GaveUp,
    /// The operator, because there is no unit.
    ByOperator,
    /// The operator, because the kernel that was selected for one boot did not boot.
    FellBack,
    /// The operator, because the signing key was not enrolled at the console. Another request needs
    /// another one-time password.
    NotEnrolled,
}

/// Returns the actor that resumes `tx`, which has this plan.
pub(crate) fn resumption(
    look: &dyn Look,
    tx: &Transaction,
    plan: &Plan,
) -> Result<Resumption, HostError> {
    if fell_back(look, tx, plan)?.is_some() {
        return Ok(Resumption::FellBack);
    }
    if enrollment_lapsed(look, tx, plan)? {
        return Ok(Resumption::NotEnrolled);
    }
    // A power cut can come before the step that enables the unit.
    if !plan.resumes_automatically() || look.stat(&enabled())?.is_none() {
        return Ok(Resumption::ByOperator);
    }
    let tried = tries(look, tx.id).is_some_and(|tries| tries.count >= TRIES);
    let waits = enrollment(&plan.after_reboot, look) == Some(SigningKey::Requested);
    Ok(match (tried, waits) {
        (true, _) => Resumption::GaveUp,
        (false, true) => Resumption::AfterEnrollment,
        (false, false) => Resumption::ByItself,
    })
}

/// Returns the kernel that phase 1 selected for one boot, if the host came back on another.
fn fell_back(
    look: &dyn Look,
    tx: &Transaction,
    plan: &Plan,
) -> Result<Option<KernelRelease>, HostError> {
    if tx.first_part.is_none() || *tx.waits_since() == BootId::current(look)? {
        return Ok(None);
    }
    let kernels = kernels(look);
    let tried = plan.before_reboot.iter().find_map(|step| match step {
        Step::BootOnce(step) => Some(&step.kernel),
        _ => None,
    });
    let is_other = |kernel: &&KernelRelease| {
        ![kernels.running.as_ref(), kernels.next_boot()].contains(&Some(kernel))
    };
    Ok(tried.filter(is_other).cloned())
}

/// Checks whether the host was restarted and the key that phase 2 needs was not enrolled. MokManager
/// deletes a request that it has shown, also if no key was pressed within its 10 seconds.
fn enrollment_lapsed(look: &dyn Look, tx: &Transaction, plan: &Plan) -> Result<bool, HostError> {
    let was_requested = tx.first_part.is_some() && *tx.waits_since() != BootId::current(look)?;
    let key = enrollment(&plan.after_reboot, look);
    Ok(was_requested && key.is_some_and(|key| key < SigningKey::Requested))
}

/// Decides whether to resume `tx`, which has this plan, on this boot.
pub(crate) fn may(
    look: &dyn Look,
    tx: &Transaction,
    plan: &Plan,
    boot: &BootId,
) -> Result<May, HostError> {
    if tx.waits_since() == boot {
        return Ok(May::NotOnThisBoot);
    }
    if let Some(kernel) = fell_back(look, tx, plan)? {
        return Ok(May::FellBack(kernel));
    }
    if enrollment_lapsed(look, tx, plan)? {
        return Ok(May::NotEnrolled);
    }
    Ok(match tries(look, tx.id) {
        Some(tries) if tries.count >= TRIES => May::GaveUp,
        Some(tries) if tries.boot == *boot => May::NotOnThisBoot,
        _ => May::Go,
    })
}

/// Records an attempt before it starts. Completed transactions need no further record.
pub(crate) fn begin(host: &mut dyn Host, tx: TxId, boot: &BootId) -> Result<(), HostError> {
    let count = tries(host, tx).map_or(0, |tries| tries.count) + 1;
    remember(host, &Tries { tx, boot: boot.clone(), count })
}

/// Discards the record of an attempt that did not fail but waits for a boot or for the operator at
/// the console. There is no further attempt on this boot.
pub(crate) fn forgive(host: &mut dyn Host, tx: TxId) -> Result<(), HostError> {
    let Some(mut tries) = tries(host, tx) else { return Ok(()) };
    tries.count = tries.count.saturating_sub(1);
    remember(host, &tries)
}

fn remember(host: &mut dyn Host, tries: &Tries) -> Result<(), HostError> {
    let text = serde_json::to_vec(tries).unwrap_or_else(|_| unreachable!("it is plain data"));
    OwnState::of(host).replace(&memory(), &text, state::private())
}

#[cfg(test)]
mod tests {
    use vgpu_manifest::Digest;

    use super::*;
    use crate::component::Component;
    use crate::facts::{CERTIFICATE, PRIVATE_KEY, REQUEST};
    use crate::host::testing::MemHost;
    use crate::journal::NewTransaction;
    use crate::step::{EnableUnit, KeyEnrolled, Step, test_variable};

    fn boot(name: &str) -> BootId {
        BootId(name.to_owned())
    }

    fn unit() -> Step {
        Step::EnableUnit(EnableUnit {
            unit: "vgpu-offline-resume.service".parse().unwrap(),
            file: state::fixed("/etc/systemd/system/vgpu-offline-resume.service"),
            wanted_by: "multi-user.target".parse().unwrap(),
            component: Component::Shared,
        })
    }

    #[test]
    fn a_unit_that_is_not_enabled_yet_resumes_nothing() {
        let plan = Plan::new(vec![unit()], Vec::new());
        let new = NewTransaction {
            bundle: Digest::of(b""),
            plan: plan.to_text(),
            boot: boot("first"),
            began: 0,
        };
        let tx = Transaction::begun(TxId(3), new);
        let mut host = MemHost::with_files(&[]);
        assert_eq!(resumption(&host, &tx, &plan).unwrap(), Resumption::ByOperator);
        host.place(enabled().as_path().as_str(), "");
        assert_eq!(resumption(&host, &tx, &plan).unwrap(), Resumption::ByItself);
    }

    #[test]
    fn it_is_tried_once_a_boot_and_twice_at_most() {
        let plan = Plan::new(Vec::new(), Vec::new());
        let mut host = MemHost::with_files(&[]);
        OwnState::of(&mut host).prepare().unwrap();
        let new = NewTransaction {
            bundle: Digest::of(b""),
            plan: String::new(),
            boot: boot("first"),
            began: 0,
        };
        let tx = Transaction::begun(TxId(3), new);
        let ask = |host: &MemHost, name| may(host, &tx, &plan, &boot(name)).unwrap();
        assert_eq!(ask(&host, "first"), May::NotOnThisBoot);
        assert_eq!(ask(&host, "second"), May::Go);
        begin(&mut host, tx.id, &boot("second")).unwrap();
        assert_eq!(ask(&host, "second"), May::NotOnThisBoot);
        assert_eq!(ask(&host, "third"), May::Go);
        begin(&mut host, tx.id, &boot("third")).unwrap();
        assert_eq!(ask(&host, "fourth"), May::GaveUp);
        // Enrollment at the console may take any number of boots.
        forgive(&mut host, tx.id).unwrap();
        assert_eq!(ask(&host, "third"), May::NotOnThisBoot);
        assert_eq!(ask(&host, "fourth"), May::Go);
        begin(&mut host, tx.id, &boot("fourth")).unwrap();
        assert_eq!(ask(&host, "fifth"), May::GaveUp);
        // If phase 1 was completed on a later boot, phase 2 waits for the next one.
        let later = Transaction { first_part: Some(boot("fifth")), ..tx.clone() };
        assert_eq!(may(&host, &later, &plan, &boot("fifth")).unwrap(), May::NotOnThisBoot);
        // Another transaction starts counting anew.
        let other = Transaction { id: TxId(4), ..tx.clone() };
        assert_eq!(may(&host, &other, &plan, &boot("fourth")).unwrap(), May::Go);
    }

    #[test]
    fn after_a_boot_without_enrollment_the_operator_continues() {
        let plan = Plan::new(vec![unit()], vec![Step::KeyEnrolled(KeyEnrolled {})]);
        let new = NewTransaction {
            bundle: Digest::of(b""),
            plan: plan.to_text(),
            boot: boot("first"),
            began: 0,
        };
        let tx =
            Transaction { first_part: Some(boot("first")), ..Transaction::begun(TxId(3), new) };
        let mut host = MemHost::with_files(&[
            (PRIVATE_KEY, "private"),
            (CERTIFICATE, "certificate"),
            ("/proc/sys/kernel/random/boot_id", "first"),
        ]);
        host.place(enabled().as_path().as_str(), "");
        let variable = test_variable("certificate");
        let meta = crate::host::Meta::root(crate::host::Mode::FILE);
        host.place_as(REQUEST, &variable, meta.clone());
        assert_eq!(resumption(&host, &tx, &plan).unwrap(), Resumption::AfterEnrollment);

        // MokManager does not run: the firmware starts something else first.
        host.place("/proc/sys/kernel/random/boot_id", "second");
        assert_eq!(may(&host, &tx, &plan, &boot("second")).unwrap(), May::Go);

        // MokManager runs, and the operator presses no key.
        host.scratch(REQUEST).unwrap();
        assert_eq!(may(&host, &tx, &plan, &boot("second")).unwrap(), May::NotEnrolled);
        assert_eq!(resumption(&host, &tx, &plan).unwrap(), Resumption::NotEnrolled);

        host.place_as(&REQUEST.replace("MokNew", "MokListRT"), &variable, meta);
        assert_eq!(may(&host, &tx, &plan, &boot("second")).unwrap(), May::Go);
    }
}
