use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use vgpu_manifest::ui::{ByteSize, Pace};

use super::bars::ProgressBar;
use super::transfer::{Heartbeat, style};
use super::{Stderr, Ui};

/// Several transfers that belong together, with a line below theirs for the total.
///
/// While a batch exists, every transfer of the same [`Ui`] belongs to it.
#[derive(Debug)]
pub(crate) struct Batch<'u> {
    ui: &'u Ui,
    total: Arc<Total>,
}

/// The total of a batch.
#[derive(Debug)]
pub(super) struct Total {
    pub(super) bar: ProgressBar,
    /// The number of transfers. It grows when a transfer turns out to consist of several.
    count: AtomicUsize,
    done: AtomicUsize,
    /// The bytes of all transfers, if known.
    size: Option<u64>,
    /// The bytes that were here before, which must not count toward the rate.
    earlier: AtomicU64,
    begun: Instant,
    heartbeat: Heartbeat,
}

/// For a known total.
const BAR: &str = "{prefix:20!} [{wide_bar}] {bytes:>10} of {total_bytes:10} {binary_bytes_per_sec:>12} {eta:>4} left";

/// For an unknown total.
const SUM: &str = "{prefix:20!} {bytes:>10} {binary_bytes_per_sec:>12}";

impl Ui {
    /// Starts a batch of `count` transfers with `size` bytes together, if known.
    ///
    /// Returns `None` for fewer than two transfers, whose own line is enough.
    #[must_use]
    pub(crate) fn batch(&self, count: usize, size: Option<u64>) -> Option<Batch<'_>> {
        if count < 2 {
            return None;
        }
        let bar = self.bars.add(size.map_or_else(ProgressBar::no_length, ProgressBar::new));
        bar.set_style(style(if size.is_some() { BAR } else { SUM }));
        let begun = Instant::now();
        let total = Arc::new(Total {
            bar,
            count: AtomicUsize::new(count),
            done: AtomicUsize::new(0),
            size,
            earlier: AtomicU64::new(0),
            begun,
            heartbeat: Heartbeat::new(begun),
        });
        total.show_count();
        *self.batch.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&total));
        Some(Batch { ui: self, total })
    }

    /// Starts a batch for a transfer that consists of several, unless it is in a batch itself.
    #[must_use]
    pub(crate) fn inner_batch(&self, count: usize, size: u64) -> Option<Batch<'_>> {
        match self.total() {
            Some(_) => None,
            None => self.batch(count, Some(size)),
        }
    }

    /// Adds `count` transfers to the batch, if there is one.
    pub(crate) fn more_transfers(&self, count: usize) {
        if let Some(total) = self.total() {
            total.count.fetch_add(count, Ordering::Relaxed);
            total.show_count();
        }
    }

    pub(super) fn total(&self) -> Option<Arc<Total>> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        *self.ui.batch.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.total.bar.finish_and_clear();
    }
}

impl Total {
    fn show_count(&self) {
        self.bar.set_prefix(self.counted());
    }

    fn counted(&self) -> String {
        let [done, count] = [&self.done, &self.count].map(|number| number.load(Ordering::Relaxed));
        format!("{done} of {count} done")
    }

    pub(super) fn finish_one(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.show_count();
    }

    /// Counts `now` bytes of a transfer instead of `before`, without an effect on the rate.
    pub(super) fn correct(&self, before: u64, now: u64) {
        if before != now {
            self.earlier.fetch_add(now.saturating_sub(before), Ordering::Relaxed);
            let position = self.bar.position().saturating_add(now).saturating_sub(before);
            self.bar.set_position(position);
            self.bar.reset_eta();
        }
    }

    pub(super) fn advance(&self, ui: &Ui, bytes: u64) {
        self.bar.inc(bytes);
        if ui.stderr != Stderr::Terminal && self.heartbeat.is_due() {
            ui.note(self.line(self.begun.elapsed()));
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let done = self.bar.position();
        let earlier = self.earlier.load(Ordering::Relaxed);
        let pace = Pace { done, total: self.size.unwrap_or_default(), earlier, took: elapsed };
        // Writing to a `String` cannot fail.
        let mut line = format!("{}, {}", self.counted(), ByteSize::new(done));
        if let Some(size) = self.size {
            let _ = write!(line, " of {}", ByteSize::new(size));
        }
        // Without a byte yet, there is no rate to speak of.
        if let Some(left) = pace.seconds_left().filter(|_| pace.rate() > 0) {
            let _ = write!(line, ", {}/s", ByteSize::new(pace.rate()));
            if self.size.is_some() {
                let _ = write!(line, ", {left} s left");
            }
        }
        line
    }
}

#[cfg(test)]
pub(super) const TEMPLATES: [&str; 2] = [BAR, SUM];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_what_its_transfers_do() {
        let ui = Ui::remembering();
        let batch = ui.batch(2, Some(3000)).unwrap();
        let total = Arc::clone(&batch.total);
        let first = ui.transfer("fetch", "a");
        first.expect(Some(1000), 400);
        first.advance(600);
        first.done(1000);
        let second = ui.transfer("fetch", "b");
        second.expect(Some(2000), 0);
        second.advance(1500);
        // The server cannot resume, so the transfer starts over.
        second.expect(Some(2000), 0);
        second.advance(500);
        let line = total.line(Duration::from_secs(2));
        assert_eq!(line, "1 of 2 done, 1.4 KiB of 2.9 KiB, 550 B/s, 3 s left");
        // A failed transfer does not count.
        drop(second);
        assert!(total.line(Duration::ZERO).starts_with("1 of 2 done, 1000 B"));
        drop(batch);
        assert!(ui.total().is_none());
    }

    #[test]
    fn what_consists_of_several_counts_as_several_and_once_in_bytes() {
        let ui = Ui::remembering();
        let batch = ui.batch(2, Some(3000)).unwrap();
        assert!(ui.inner_batch(2, 2000).is_none());
        ui.more_transfers(2);
        for name in ["layer 1", "layer 2"] {
            let layer = ui.transfer("fetch", name);
            layer.advance(1000);
            layer.done(1000);
        }
        let pack = ui.transfer("pack", "all").of_counted_bytes();
        pack.expect(Some(2000), 0);
        pack.advance(2000);
        assert!(batch.total.line(Duration::ZERO).starts_with("2 of 4 done, 1.9 KiB of 2.9 KiB"));
        pack.done(2000);
        assert!(batch.total.line(Duration::ZERO).starts_with("3 of 4 done, 1.9 KiB of 2.9 KiB"));
        drop(batch);
        assert!(ui.inner_batch(2, 2000).is_some());
    }

    #[test]
    fn without_a_size_the_end_is_unknown() {
        let ui = Ui::remembering();
        let batch = ui.batch(3, None).unwrap();
        let transfer = ui.transfer("fetch", "a");
        transfer.advance(4096);
        let line = batch.total.line(Duration::from_secs(4));
        assert_eq!(line, "0 of 3 done, 4.0 KiB, 1.0 KiB/s");
    }
}
