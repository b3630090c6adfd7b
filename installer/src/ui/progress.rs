use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vgpu_manifest::ui::{ByteSize, Pace};

/// The shortest time between two updates of the line.
const PERIOD: Duration = Duration::from_millis(100);

/// A line on a terminal with the progress of a pass over some bytes; no output elsewhere.
///
/// Several threads may update it.
#[derive(Debug)]
pub(crate) struct Progress {
    verb: &'static str,
    total: u64,
    done: AtomicU64,
    begun: Instant,
    /// The time of the last update; `None` before the first one.
    drawn: Option<Mutex<Instant>>,
}

impl Progress {
    pub(super) fn new(verb: &'static str, total: u64, is_drawn: bool) -> Self {
        let begun = Instant::now();
        let drawn = is_drawn.then(|| Mutex::new(begun));
        Self { verb, total, done: AtomicU64::new(0), begun, drawn }
    }

    /// Adds bytes that are done.
    pub(crate) fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // If another thread is drawing, this one continues its work.
        let Some(mut drawn) = self.drawn.as_ref().and_then(|drawn| drawn.try_lock().ok()) else {
            return;
        };
        if drawn.elapsed() >= PERIOD {
            *drawn = Instant::now();
            let line = line(self.verb, self.pace(done));
            let _ = write!(std::io::stderr(), "\r{line}\u{1b}[K");
        }
    }

    fn pace(&self, done: u64) -> Pace {
        Pace { done, total: self.total, earlier: 0, took: self.begun.elapsed() }
    }

    /// Returns how long it has taken, and at what rate: `1.2 GiB in 3.1 s (396.4 MiB/s)`.
    #[must_use]
    pub(crate) fn summary(&self) -> String {
        let pace = self.pace(self.done.load(Ordering::Relaxed));
        let (done, rate) = (ByteSize::new(pace.done), ByteSize::new(pace.rate()));
        format!(
            "{done} in {}.{} s ({rate}/s)",
            pace.took.as_secs(),
            pace.took.subsec_millis() / 100
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

fn line(verb: &str, pace: Pace) -> String {
    let (done, total) = (ByteSize::new(pace.done), ByteSize::new(pace.total));
    let (percent, rate) = (pace.percent(), ByteSize::new(pace.rate()));
    let left = pace.seconds_left().unwrap_or_default();
    format!("{verb} {done:>10} of {total}  {percent:>3} %  {rate:>10}/s  {left} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_much_how_fast_and_how_long_still() {
        let line = |done, total, seconds| {
            let took = Duration::from_secs(seconds);
            line("checking", Pace { done, total, earlier: 0, took })
        };
        assert_eq!(
            line(1 << 30, 4 << 30, 2),
            "checking    1.0 GiB of 4.0 GiB   25 %   512.0 MiB/s  6 s left"
        );
        assert_eq!(line(0, 0, 0), "checking        0 B of 0 B    0 %         0 B/s  0 s left");
    }
}
