use vgpu_manifest::HostPath;

use crate::host::{Host, HostError};
use crate::state;
use crate::ui::{Date, printable};

/// How many lines are kept.
const KEPT: usize = 1000;

/// The file in which every change of trust is written down.
fn path() -> HostPath {
    state::below_dir(&state::dir(), "trust.log")
}

/// Write down what somebody has changed about trust, with the time by the host's clock.
pub fn record(host: &mut dyn Host, what: &str) -> Result<(), HostError> {
    let path = path();
    let before = host.read(&path)?.unwrap_or_default();
    let before = String::from_utf8_lossy(&before);
    let line = format!("{} {}", Date::from(host.now()), printable(what));
    let lines: Vec<&str> = before.lines().chain([line.as_str()]).collect();
    let kept = &lines[lines.len().saturating_sub(KEPT)..];
    state::replace(host, &path, (kept.join("\n") + "\n").as_bytes(), state::private())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::mem::MemHost;

    #[test]
    fn lines_are_added_and_the_oldest_are_dropped() {
        let mut host = MemHost::default();
        state::prepare(&mut host).unwrap();
        for n in 0..KEPT + 2 {
            record(&mut host, &format!("change {n}")).unwrap();
        }
        let text = host.text_of(path().as_path().as_str()).unwrap();
        assert_eq!(text.lines().count(), KEPT);
        assert!(text.lines().next().unwrap().ends_with(" UTC change 2"), "{text}");
        assert!(text.ends_with(" UTC change 1001\n"));
    }
}
