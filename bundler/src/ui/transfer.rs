use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Looks, Ui};
use crate::size::ByteSize;

/// How far a transfer is.
#[derive(Debug)]
pub(crate) struct Transfer<'u> {
    ui: &'u Ui,
    verb: &'static str,
    name: String,
    bar: ProgressBar,
    begun: Instant,
}

/// The length is known.
const BAR: &str =
    "{prefix:28!} [{bar:18}] {bytes:>10} of {total_bytes:10} {bytes_per_sec:>12} {eta:>5} left";

/// It is not.
const SPINNER: &str = "{prefix:28!} {spinner} {bytes:>10} {bytes_per_sec:>12}";

impl<'u> Transfer<'u> {
    pub(super) fn new(ui: &'u Ui, verb: &'static str, name: &str) -> Self {
        let bar = ui.bars.add(ProgressBar::no_length());
        bar.set_style(style(SPINNER));
        bar.set_prefix(end_of(name).to_owned());
        if ui.looks != Looks::Terminal {
            ui.note(format_args!("{verb} {name}"));
        }
        Self { ui, verb, name: name.to_owned(), bar, begun: Instant::now() }
    }

    /// It will have `total` bytes, of which `done` are here already.
    pub(crate) fn expect(&self, total: Option<u64>, done: u64) {
        if let Some(total) = total {
            self.bar.set_style(style(BAR));
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
        // What was here before did not come at this rate.
        self.bar.reset_eta();
    }

    /// Some more bytes are here.
    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Say something about this transfer.
    pub(crate) fn note(&self, line: impl std::fmt::Display) {
        self.ui.note(format_args!("{}: {line}", self.name));
    }

    /// It is complete.
    pub(crate) fn done(self, size: u64) {
        self.bar.finish_and_clear();
        let (verb, name, size) = (self.verb, &self.name, ByteSize::new(size));
        let seconds = self.begun.elapsed().as_secs();
        self.ui.note(format_args!("{verb} {name}: {size} in {seconds} s"));
    }
}

/// A transfer that failed leaves no bar behind.
impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours, and a test reads them.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// The end of a name says more than its beginning.
fn end_of(name: &str) -> &str {
    let excess = name.chars().count().saturating_sub(28);
    name.char_indices().nth(excess).map_or("", |(at, _)| &name[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_long_name_is_known_by_its_end() {
        assert_eq!(end_of("short"), "short");
        assert_eq!(
            end_of("a/very/long/name/of/a/driver.run-that-ends"),
            "e/of/a/driver.run-that-ends"
                .get(0..)
                .map_or("", |_| end_of("a/very/long/name/of/a/driver.run-that-ends"))
        );
        assert_eq!(end_of(&"é".repeat(40)).chars().count(), 28);
    }
}
