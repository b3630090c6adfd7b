use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use vgpu_manifest::printable;
use vgpu_manifest::ui::ByteSize;

use super::bars::{ProgressBar, ProgressStyle};
use super::batch::Total;
use super::{Stderr, Ui};

/// The progress of a transfer: a bar on a terminal, a line every ten seconds elsewhere.
#[derive(Debug)]
pub(crate) struct Transfer<'u> {
    ui: &'u Ui,
    verb: &'static str,
    name: String,
    bar: ProgressBar,
    /// The batch that this transfer belongs to.
    total: Option<Arc<Total>>,
    bytes: Bytes,
    begun: Instant,
    heartbeat: Heartbeat,
}

/// Whether the bytes of a transfer add to the total of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    New,
    /// Another transfer of the batch brought the same bytes.
    Counted,
}

/// For a known length. At 80 columns, 9 are left for the bar.
const BAR: &str = "{prefix:20!} [{wide_bar}] {bytes:>10} of {total_bytes:10} {binary_bytes_per_sec:>12} {eta:>4} left";

/// For an unknown length.
const SPINNER: &str = "{prefix:20!} {spinner} {bytes:>10} {binary_bytes_per_sec:>12}";

/// For work without a number of bytes.
const PULSE: &str = "{prefix:20!} {spinner} {elapsed:>4} {wide_msg}";

/// The columns for a name.
const NAME: usize = 20;

impl<'u> Transfer<'u> {
    pub(super) fn new(ui: &'u Ui, verb: &'static str, name: &str) -> Self {
        let total = ui.total();
        let bar = ProgressBar::no_length();
        let bar = match &total {
            Some(total) => ui.bars.insert_before(&total.bar, bar),
            None => ui.bars.add(bar),
        };
        bar.set_style(style(SPINNER));
        bar.set_prefix(end_of(name).to_owned());
        let begun = Instant::now();
        Self {
            ui,
            verb,
            name: name.to_owned(),
            bar,
            total,
            bytes: Bytes::New,
            begun,
            heartbeat: Heartbeat::new(begun),
        }
    }

    /// Marks the bytes as counted by other transfers.
    #[must_use]
    pub(crate) fn of_counted_bytes(mut self) -> Self {
        self.bytes = Bytes::Counted;
        self
    }

    /// Returns the total of the batch, if these bytes add to it.
    fn sum(&self) -> Option<&Total> {
        self.total.as_deref().filter(|_| self.bytes == Bytes::New)
    }

    /// Sets the length, and how many bytes are here already.
    pub(crate) fn expect(&self, total: Option<u64>, done: u64) {
        if let Some(total) = total {
            self.bar.set_style(style(BAR));
            self.bar.set_length(total);
        }
        if let Some(total) = self.sum() {
            total.correct(self.bar.position(), done);
        }
        self.bar.set_position(done);
        // Earlier bytes must not count toward the rate.
        self.bar.reset_eta();
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        if let Some(total) = self.sum() {
            total.advance(self.ui, bytes);
        } else if self.ui.stderr != Stderr::Terminal && self.heartbeat.is_due() {
            let done = ByteSize::new(self.bar.position());
            let total = self.bar.length().map(|total| format!(" of {}", ByteSize::new(total)));
            self.note(format_args!("{done}{}", total.unwrap_or_default()));
        }
    }

    /// Shows that work without a number of bytes goes on: the last line of a program.
    pub(crate) fn pulse(&self, line: &str) {
        self.bar.set_style(style(PULSE));
        self.bar.set_message(printable(line));
        self.bar.tick();
        if self.ui.stderr != Stderr::Terminal && self.heartbeat.is_due() {
            self.note(format_args!("{line} ({} s)", self.begun.elapsed().as_secs()));
        }
    }

    /// Prints a line about this transfer.
    pub(crate) fn note(&self, line: impl Display) {
        self.ui.note(format_args!("{} {}: {line}", self.verb, self.name));
    }

    pub(crate) fn done(mut self, size: u64) {
        if let Some(sum) = self.sum() {
            sum.correct(self.bar.position(), size);
        }
        if let Some(total) = self.total.take() {
            total.finish_one();
        }
        self.bar.finish_and_clear();
        match self.begun.elapsed().as_secs() {
            0 => self.note(ByteSize::new(size)),
            seconds => self.note(format_args!("{} in {seconds} s", ByteSize::new(size))),
        }
    }
}

/// A failed transfer removes its bar, and its bytes from the total.
impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if let Some(total) = self.sum() {
            total.correct(self.bar.position(), 0);
        }
        self.bar.finish_and_clear();
    }
}

/// The time between two lines about a transfer where there is no bar.
const PERIOD: Duration = Duration::from_secs(10);

/// The time of the last line about a transfer.
#[derive(Debug)]
pub(super) struct Heartbeat(Mutex<Instant>);

impl Heartbeat {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(now))
    }

    /// Checks whether the next line is due, and if so restarts the period.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = last.elapsed() >= PERIOD;
        if is_time {
            *last = Instant::now();
        }
        is_time
    }
}

pub(super) fn style(template: &str) -> ProgressStyle {
    // A test checks that all templates are valid.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// Returns the end of a long name, which says more than its beginning.
fn end_of(name: &str) -> &str {
    let excess = name.chars().count().saturating_sub(NAME);
    name.char_indices().nth(excess).map_or("", |(at, _)| &name[at..])
}

#[cfg(test)]
mod tests {
    use super::super::batch::TEMPLATES;
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [BAR, SPINNER, PULSE].into_iter().chain(TEMPLATES) {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_long_name_is_shortened_to_its_end() {
        assert_eq!(end_of("short"), "short");
        assert_eq!(end_of("packages/linux-headers-6.8.12-9-pve_amd64.deb"), "8.12-9-pve_amd64.deb");
        assert_eq!(end_of(&"é".repeat(40)).chars().count(), NAME);
    }

    #[test]
    fn without_a_terminal_a_line_reports_the_end() {
        let ui = Ui::remembering();
        let transfer = ui.transfer("fetch", "a.run");
        transfer.expect(Some(3000), 0);
        transfer.advance(3000);
        transfer.done(3000);
        assert_eq!(ui.lines(), ["fetch a.run: 2.9 KiB"]);
    }
}
