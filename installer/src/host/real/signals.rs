//! Signals that ask a run to stop.
//!
//! A signal sets a flag, and the run stops before its next change: the running command is never cut
//! off by this program. The commands run in process groups of their own, so that Ctrl-C in a
//! terminal reaches only this program.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// A signal that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(usize);

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match i32::try_from(self.0) {
            Ok(SIGHUP) => "SIGHUP",
            Ok(SIGINT) => "SIGINT",
            Ok(SIGTERM) => "SIGTERM",
            _ => "a signal",
        })
    }
}

/// The last signal; 0 is none. Signals concern the whole process, and so does this.
static RECEIVED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// The delay until the operator is told that a signal was received.
const PAUSE: Duration = Duration::from_millis(50);

/// From here on, SIGHUP, SIGINT and SIGTERM set a flag instead of ending this process.
pub(super) fn watch() -> io::Result<()> {
    let received = Arc::new(AtomicUsize::new(0));
    if RECEIVED.set(Arc::clone(&received)).is_err() {
        return Ok(());
    }
    let ignored = ignored();
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        // `nohup` ignores SIGHUP, and a shell ignores SIGINT for a command in the background.
        let is_ignored = ignored & (1_u64 << (signal - 1)) != 0;
        if !is_ignored && let Ok(number) = usize::try_from(signal) {
            signal_hook::flag::register_usize(signal, Arc::clone(&received), number)?;
        }
    }
    // A handler cannot print. The thread ends with the process.
    thread::spawn(|| {
        let signal = loop {
            match received_signal() {
                Some(signal) => break signal,
                None => thread::sleep(PAUSE),
            }
        };
        let text = "stopping after the running command; do not turn off the host";
        let _ = writeln!(io::stderr(), "{signal}: {text}");
    });
    Ok(())
}

/// While it exists, SIGINT and SIGQUIT of the terminal do not end this process.
#[derive(Debug)]
pub(super) struct LeftToChild(Arc<AtomicBool>);

impl Drop for LeftToChild {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Leaves the signals of the terminal to the command that is about to run.
///
/// A handler does that and not `SIG_IGN`, which the command would inherit.
pub(super) fn leave_to_child() -> io::Result<LeftToChild> {
    static ENDS: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let ends = if let Some(ends) = ENDS.get() {
        Arc::clone(ends)
    } else {
        let ends = Arc::new(AtomicBool::new(true));
        for signal in [SIGINT, SIGQUIT] {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&ends))?;
        }
        Arc::clone(ENDS.get_or_init(|| ends))
    };
    ends.store(false, Ordering::SeqCst);
    Ok(LeftToChild(ends))
}

/// Returns the signal that asked this process to stop.
#[must_use]
pub fn received_signal() -> Option<Signal> {
    let number = RECEIVED.get()?.load(Ordering::SeqCst);
    (number != 0).then_some(Signal(number))
}

/// Returns the mask of ignored signals; bit 0 is signal 1 (`proc_pid_status(5)`).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
