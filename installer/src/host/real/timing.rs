//! The time and memory that a run takes.
//!
//! The installer cannot reduce the time of apt, DKMS and other programs, so the last line of the
//! log shows the program's own share.

use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An activity outside the program's own work that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Other programs.
    Programs,
    /// The pass over a bundle that verifies it and copies it to the store.
    Staging,
    /// The operator's answer, or the start of services.
    Waiting,
}

/// The time that a run has taken so far.
#[derive(Debug)]
pub(super) struct Timing {
    begun: Instant,
    programs: AtomicU64,
    staging: AtomicU64,
    waiting: AtomicU64,
}

impl Default for Timing {
    fn default() -> Self {
        let nothing = || AtomicU64::new(0);
        let (programs, staging, waiting) = (nothing(), nothing(), nothing());
        Self { begun: Instant::now(), programs, staging, waiting }
    }
}

impl Timing {
    pub(super) fn add(&self, on: On, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.on(on).fetch_add(millis, Ordering::Relaxed);
    }

    fn on(&self, on: On) -> &AtomicU64 {
        match on {
            On::Programs => &self.programs,
            On::Staging => &self.staging,
            On::Waiting => &self.waiting,
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |on| Duration::from_millis(self.on(on).load(Ordering::Relaxed));
        let all = self.begun.elapsed();
        let [programs, staging, waiting] = [On::Programs, On::Staging, On::Waiting].map(on);
        let own = all.saturating_sub(programs + staging + waiting);
        let [all, programs, staging, waiting, own] =
            [all, programs, staging, waiting, own].map(|it| it.as_secs_f64());
        write!(
            f,
            "{all:.1} s: {programs:.1} s in other programs, {staging:.1} s staging, {waiting:.1} s \
             waiting, {own:.1} s its own"
        )?;
        match peak() {
            Some(peak) => write!(f, "; at most {peak} KiB of memory"),
            None => Ok(()),
        }
    }
}

/// Returns the peak memory of this process in KiB, as the kernel counts it.
fn peak() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_the_programs_own_time() {
        let timing = Timing::default();
        timing.add(On::Programs, Duration::from_millis(1234));
        timing.add(On::Programs, Duration::from_hours(1));
        timing.add(On::Staging, Duration::from_millis(100));
        let text = timing.to_string();
        assert!(
            text.contains("3601.2 s in other programs, 0.1 s staging, 0.0 s waiting"),
            "{text}"
        );
        // The clock and the sum may disagree, so clamp the rest at zero.
        assert!(text.contains(", 0.0 s its own; at most "), "{text}");
        assert!(peak().is_some_and(|peak| peak > 100), "{text}");
    }
}
