//! Entries to the parsers of this crate for `tests/fuzz`. Each takes any bytes and must return.

use crate::act::Log;
use crate::packages::Simulation;
use crate::plan::{Plan, Reviewed};

pub use crate::facts::fuzzing::dpkg_status;

/// Parses the stored form of a plan, which has one spelling.
pub fn plan(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(plan) = Plan::parse(text) {
        assert_eq!(Plan::parse(&plan.to_text()).ok(), Some(plan));
    }
}

/// Parses a reviewed plan, and compares it with itself.
pub fn reviewed_plan(bytes: &[u8]) {
    if let Ok(reviewed) = Reviewed::parse(bytes.to_vec()) {
        let text = String::from_utf8_lossy(bytes);
        assert!(reviewed.check(&text, &reviewed.review).is_ok());
    }
}

/// Reads the rows of a journal that has been written to: one column a line.
pub fn journal_rows(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let columns: Vec<&str> = text.split('\n').collect();
    let Ok(log) = Log::with_rows(&columns) else { return };
    for tx in log.transactions().unwrap_or_default() {
        let _ = log.entries(tx.id);
    }
    let _ = log.dirty();
}

/// Parses the output of `apt-get --simulate`.
pub fn apt_simulation(bytes: &[u8]) {
    let _ = Simulation::parse(&String::from_utf8_lossy(bytes));
}
