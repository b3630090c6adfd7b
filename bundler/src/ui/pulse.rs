use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a transfer may be silent where there is no bar.
const SILENCE: Duration = Duration::from_secs(10);

/// When something was last heard of, where there is no bar.
#[derive(Debug)]
pub(super) struct Pulse(Mutex<Instant>);

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(now))
    }

    /// Whether it is time to be heard of again, which it then is.
    pub(super) fn beats(&self) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = told.elapsed() >= SILENCE;
        if is_time {
            *told = Instant::now();
        }
        is_time
    }
}
