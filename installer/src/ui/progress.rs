use std::fmt;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::ByteSize;

/// How often the line is drawn again, at most.
const PERIOD: Duration = Duration::from_millis(100);

/// One line on a terminal that says how far a pass over some bytes is; elsewhere nothing.
///
/// Several threads may add to it.
#[derive(Debug)]
pub struct Progress {
    verb: &'static str,
    total: u64,
    done: AtomicU64,
    begun: Instant,
    /// When the line was drawn last; `None` where none is.
    drawn: Option<Mutex<Instant>>,
}

impl Progress {
    pub(super) fn new(verb: &'static str, total: u64, is_drawn: bool) -> Self {
        let begun = Instant::now();
        let drawn = is_drawn.then(|| Mutex::new(begun));
        Self { verb, total, done: AtomicU64::new(0), begun, drawn }
    }

    /// Some more bytes are done.
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // A thread that finds another one drawing has better things to do.
        let Some(mut drawn) = self.drawn.as_ref().and_then(|drawn| drawn.try_lock().ok()) else {
            return;
        };
        if drawn.elapsed() >= PERIOD {
            *drawn = Instant::now();
            let line =
                Line { verb: self.verb, done, total: self.total, took: self.begun.elapsed() };
            let _ = write!(std::io::stderr(), "\r{line}\u{1b}[K");
        }
    }

    /// How long it has taken, and at what rate: `1.2 GiB in 3.1 s (396.4 MiB/s)`.
    #[must_use]
    pub fn summary(&self) -> String {
        let (done, took) = (self.done.load(Ordering::Relaxed), self.begun.elapsed());
        let rate = ByteSize(rate(done, took));
        format!(
            "{} in {}.{} s ({rate}/s)",
            ByteSize(done),
            took.as_secs(),
            took.subsec_millis() / 100
        )
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// What the line says.
struct Line {
    verb: &'static str,
    done: u64,
    total: u64,
    took: Duration,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, done, total, took } = self;
        let rate = rate(*done, *took);
        let percent = u128::from(*done) * 100 / u128::from(*total).max(1);
        let left = total.saturating_sub(*done).checked_div(rate).unwrap_or_default();
        write!(f, "{verb} {:>10} of {}  {percent:>3} %", ByteSize(*done), ByteSize(*total))?;
        write!(f, "  {:>10}/s  {left} s left", ByteSize(rate))
    }
}

/// Bytes per second.
fn rate(done: u64, took: Duration) -> u64 {
    let millis = took.as_millis().max(1);
    u64::try_from(u128::from(done) * 1000 / millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_much_how_fast_and_how_long_still() {
        let line = |done, total, seconds| {
            let took = Duration::from_secs(seconds);
            Line { verb: "checking", done, total, took }.to_string()
        };
        assert_eq!(
            line(1 << 30, 4 << 30, 2),
            "checking    1.0 GiB of 4.0 GiB   25 %   512.0 MiB/s  6 s left"
        );
        assert_eq!(line(0, 0, 0), "checking        0 B of 0 B    0 %         0 B/s  0 s left");
    }
}
