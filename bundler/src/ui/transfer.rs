use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use super::bars::{ProgressBar, ProgressStyle};

use vgpu_manifest::ui::ByteSize;

use super::batch::Total;
use super::pulse::Pulse;
use super::{Looks, Ui};

/// How far a transfer is: a bar on a terminal, a line now and then elsewhere.
#[derive(Debug)]
pub(crate) struct Transfer<'u> {
    ui: &'u Ui,
    verb: &'static str,
    name: String,
    bar: ProgressBar,
    /// All that run at this time, if this is one of several.
    total: Option<Arc<Total>>,
    bytes: Bytes,
    begun: Instant,
    pulse: Pulse,
}

/// What the bytes of a transfer are to the sum of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    /// They have not been seen before.
    New,
    /// They were counted when they came.
    Counted,
}

/// The length is known. At 80 columns there are 9 for the bar.
const BAR: &str = "{prefix:20!} [{wide_bar}] {bytes:>10} of {total_bytes:10} {binary_bytes_per_sec:>12} {eta:>4} left";

/// It is not.
const SPINNER: &str = "{prefix:20!} {spinner} {bytes:>10} {binary_bytes_per_sec:>12}";

/// How much of a name there is room for.
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
            pulse: Pulse::new(begun),
        }
    }

    /// The same of bytes that other transfers have brought.
    #[must_use]
    pub(crate) fn of_counted_bytes(mut self) -> Self {
        self.bytes = Bytes::Counted;
        self
    }

    /// The sum of all, if these bytes count there.
    fn sum(&self) -> Option<&Total> {
        self.total.as_deref().filter(|_| self.bytes == Bytes::New)
    }

    /// It will have `total` bytes, of which `done` are here already.
    pub(crate) fn expect(&self, total: Option<u64>, done: u64) {
        if let Some(total) = total {
            self.bar.set_style(style(BAR));
            self.bar.set_length(total);
        }
        if let Some(total) = self.sum() {
            total.correct(self.bar.position(), done);
        }
        self.bar.set_position(done);
        // What was here before did not come at this rate.
        self.bar.reset_eta();
    }

    /// Some more bytes are here.
    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        if let Some(total) = self.sum() {
            total.advance(self.ui, bytes);
        } else if self.ui.looks != Looks::Terminal && self.pulse.beats() {
            let done = ByteSize::new(self.bar.position());
            let total = self.bar.length().map(|total| format!(" of {}", ByteSize::new(total)));
            self.note(format_args!("{done}{}", total.unwrap_or_default()));
        }
    }

    /// Say something about this transfer.
    pub(crate) fn note(&self, line: impl Display) {
        self.ui.note(format_args!("{} {}: {line}", self.verb, self.name));
    }

    /// It is complete.
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

/// A transfer that failed leaves no bar behind, and nothing in the sum.
impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if let Some(total) = self.sum() {
            total.correct(self.bar.position(), 0);
        }
        self.bar.finish_and_clear();
    }
}

pub(super) fn style(template: &str) -> ProgressStyle {
    // The templates are ours, and a test reads them.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// The end of a name says more than its beginning.
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
        for template in [BAR, SPINNER].into_iter().chain(TEMPLATES) {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_long_name_is_known_by_its_end() {
        assert_eq!(end_of("short"), "short");
        assert_eq!(end_of("packages/linux-headers-6.8.12-9-pve_amd64.deb"), "8.12-9-pve_amd64.deb");
        assert_eq!(end_of(&"é".repeat(40)).chars().count(), NAME);
    }

    #[test]
    fn without_a_terminal_it_is_told_when_it_is_done() {
        let ui = Ui::remembering();
        let transfer = ui.transfer("fetch", "a.run");
        transfer.expect(Some(3000), 0);
        transfer.advance(3000);
        transfer.done(3000);
        assert_eq!(ui.said(), ["fetch a.run: 2.9 KiB"]);
    }
}
