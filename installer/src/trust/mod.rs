//! The trust policy of this host, and the floors of its channels.
//!
//! The policy is in `/etc/vgpu-offline`, for people and for `ssh-keygen`; the floors are with the
//! installer's other state. Neither belongs to a transaction: reverting a bundle never changes trust.

mod floors;
mod gate;
mod policy_file;
mod renewal;

pub(crate) use self::floors::{Candidate, Floor, FloorError, Floors, Stored as StoredFloors};
pub(crate) use self::gate::{NotAdmitted, admit};
pub(crate) use self::policy_file::save;
pub(crate) use self::policy_file::{TrustError, load, require};
pub(crate) use self::renewal::{describe, take, warning};

use vgpu_manifest::printable;

use crate::date::Date;
use crate::host::{HostError, OwnPath, OwnState};
use crate::state;

/// The number of lines that the log of changes keeps.
const LOG_LINES: usize = 1000;

fn log_path() -> OwnPath {
    state::dir().join("trust.log")
}

/// Logs a change of trust, with the time of the host's clock.
pub(crate) fn record(own: &mut OwnState<'_>, what: &str) -> Result<(), HostError> {
    let path = log_path();
    // The log is for people: an unreadable one is replaced.
    let before = own.look().read(&path).ok().flatten().unwrap_or_default();
    let before = String::from_utf8_lossy(&before);
    let line = format!("{} {}", Date::from(own.look().now()), printable(what));
    let lines: Vec<&str> = before.lines().chain([line.as_str()]).collect();
    let kept = &lines[lines.len().saturating_sub(LOG_LINES)..];
    own.replace(&path, (kept.join("\n") + "\n").as_bytes(), state::private())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::MemHost;

    #[test]
    fn lines_are_added_and_the_oldest_are_dropped() {
        let mut host = MemHost::default();
        OwnState::of(&mut host).prepare().unwrap();
        for n in 0..LOG_LINES + 2 {
            record(&mut OwnState::of(&mut host), &format!("change {n}")).unwrap();
        }
        let text = host.text_of(log_path().as_path().as_str()).unwrap();
        assert_eq!(text.lines().count(), LOG_LINES);
        assert!(text.lines().next().unwrap().ends_with(" UTC change 2"), "{text}");
        assert!(text.ends_with(" UTC change 1001\n"));
    }
}
