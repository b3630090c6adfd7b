//! Going on by itself after the reboot between the two parts of a plan.
//!
//! A unit runs `apply --resume` at boot. It must not be in the way of a host that has trouble: it
//! tries once a boot, never on the boot on which the first part was done, and gives up after two
//! tries that did not come to an end, a power cut included.

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use crate::act::Transaction;
use crate::host::{Host, HostError, Look, OwnPath, OwnState};
use crate::journal::{BootId, TxId};
use crate::plan::Plan;
use crate::state::{self, fixed};
use crate::step::{InstallSelf, Step};

/// The unit's name.
pub const UNIT: &str = "vgpu-offline-resume.service";

/// How often it is tried.
const TRIES: u32 = 2;

/// Whether the host goes on by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resume {
    /// It does, by a unit.
    ByItself,
    /// Its operator does.
    #[default]
    ByOperator,
}

/// Where the unit goes.
pub(crate) fn unit_path() -> HostPath {
    fixed(&format!("/etc/systemd/system/{UNIT}"))
}

/// The unit: before guests start, as long as it takes, with its words on the console. Nothing that
/// an operator needs to log in waits for it.
pub(crate) fn unit_text() -> String {
    format!(
        "# Resumes the vGPU installation after the reboot.\n\
         # Written by vgpu-installer; `vgpu-installer revert` restores the previous state.\n\
         [Unit]\nDescription=Resume the vGPU installation after the reboot\n\
         Before=pve-guests.service\n\
         ConditionPathExists={journal}\n\n\
         [Service]\nType=oneshot\nExecStart={program} apply --resume\n\
         SuccessExitStatus=10\nTimeoutStartSec=infinity\n\
         StandardOutput=journal+console\nStandardError=journal+console\n\n\
         [Install]\nWantedBy=multi-user.target\n",
        journal = state::journal(),
        program = InstallSelf::path(),
    )
}

/// Whether to go on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum May {
    /// Yes.
    Go,
    /// Not on this boot: it is the one of the first part, or it was tried on it.
    NotOnThisBoot,
    /// Not any more.
    GaveUp,
}

/// The tries that there were.
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

fn tries(look: &dyn Look, tx: TxId) -> Result<Option<Tries>, HostError> {
    let Some(bytes) = look.read(&memory())? else { return Ok(None) };
    let tries = serde_json::from_slice::<Tries>(&bytes).ok();
    Ok(tries.filter(|tries| tries.tx == tx))
}

/// Who goes on with an apply that has not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoesOn {
    /// The unit, after the next boot.
    ByItself,
    /// The unit has tried as often as it may, so its operator does.
    GaveUp,
    /// There is no unit, so its operator does.
    ByOperator,
}

/// Whether a plan is one that the unit goes on with. The unit of an earlier bundle may be there although
/// the operator of this one wants to go on himself.
pub(crate) fn is_wanted(plan: &Plan) -> bool {
    plan.steps().any(|step| matches!(step, Step::EnableUnit(step) if step.unit.as_str() == UNIT))
}

/// Who goes on with `tx`, which has this plan.
pub(crate) fn who(look: &dyn Look, tx: &Transaction, plan: &Plan) -> Result<GoesOn, HostError> {
    if !is_wanted(plan) {
        return Ok(GoesOn::ByOperator);
    }
    let tried = tries(look, tx.id)?.is_some_and(|tries| tries.count >= TRIES);
    Ok(if tried { GoesOn::GaveUp } else { GoesOn::ByItself })
}

/// Whether to go on with `tx` on this boot.
pub(crate) fn may(look: &dyn Look, tx: &Transaction, boot: &BootId) -> Result<May, HostError> {
    if tx.waits_since() == boot {
        return Ok(May::NotOnThisBoot);
    }
    Ok(match tries(look, tx.id)? {
        Some(tries) if tries.count >= TRIES => May::GaveUp,
        Some(tries) if tries.boot == *boot => May::NotOnThisBoot,
        _ => May::Go,
    })
}

/// Write down that it is tried, before it is. What comes to an end is not asked about again.
pub(crate) fn begin(host: &mut dyn Host, tx: TxId, boot: &BootId) -> Result<(), HostError> {
    let count = tries(host, tx)?.map_or(0, |tries| tries.count) + 1;
    remember(host, &Tries { tx, boot: boot.clone(), count })
}

/// Take back that it was tried, because it waits for a boot, or somebody at the console, and has not failed. It
/// is not tried again on this boot.
pub(crate) fn forgive(host: &mut dyn Host, tx: TxId) -> Result<(), HostError> {
    let Some(mut tries) = tries(host, tx)? else { return Ok(()) };
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
    use crate::host::testing::MemHost;
    use crate::journal::NewTransaction;

    fn boot(name: &str) -> BootId {
        BootId(name.to_owned())
    }

    #[test]
    fn it_is_tried_once_a_boot_and_twice_at_most() {
        let mut host = MemHost::with_files(&[]);
        OwnState::of(&mut host).prepare().unwrap();
        let new = NewTransaction {
            bundle: Digest::of(b""),
            plan: String::new(),
            boot: boot("first"),
            began: 0,
        };
        let tx = Transaction::begun(TxId(3), new);
        let ask = |host: &MemHost, name| may(host, &tx, &boot(name)).unwrap();
        assert_eq!(ask(&host, "first"), May::NotOnThisBoot);
        assert_eq!(ask(&host, "second"), May::Go);
        begin(&mut host, tx.id, &boot("second")).unwrap();
        assert_eq!(ask(&host, "second"), May::NotOnThisBoot);
        assert_eq!(ask(&host, "third"), May::Go);
        begin(&mut host, tx.id, &boot("third")).unwrap();
        assert_eq!(ask(&host, "fourth"), May::GaveUp);
        // Whoever has to be at the console takes as many boots as it takes.
        forgive(&mut host, tx.id).unwrap();
        assert_eq!(ask(&host, "third"), May::NotOnThisBoot);
        assert_eq!(ask(&host, "fourth"), May::Go);
        begin(&mut host, tx.id, &boot("fourth")).unwrap();
        assert_eq!(ask(&host, "fifth"), May::GaveUp);
        // A first part that came to its end on a later boot waits for the end of that one.
        let later = Transaction { first_part: Some(boot("fifth")), ..tx.clone() };
        assert_eq!(may(&host, &later, &boot("fifth")).unwrap(), May::NotOnThisBoot);
        // Another transaction begins anew.
        let other = Transaction { id: TxId(4), ..tx.clone() };
        assert_eq!(may(&host, &other, &boot("fourth")).unwrap(), May::Go);
    }

    #[test]
    fn the_unit_waits_for_nobody_and_only_guests_wait_for_it() {
        let text = unit_text();
        for line in ["Before=pve-guests.service", "TimeoutStartSec=infinity", "journal+console"] {
            assert!(text.contains(line), "{line}");
        }
        assert!(!text.contains("After=") && !text.contains("ssh"), "{text}");
    }
}
