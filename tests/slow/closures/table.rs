//! The results as a table.

use std::fmt;

use super::answers::Taken;
use super::sets::{Node, Set, Then, Told, Upgrades};

/// The limit by which a closure may be larger than apt's, in percent.
const TOLERANCE: u64 = 2;

/// One set and its result.
pub(super) struct Row {
    pub(super) set: Set,
    pub(super) ours: Taken,
    pub(super) apts: Taken,
    /// apt's output if it refused.
    pub(super) complaint: Option<String>,
}

impl Row {
    /// The reason of a failure; empty if the set passed.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(self.complaint.as_ref().map(|said| format!("not complete: {said}")));
        for (what, ours, apts) in [
            ("packages", self.ours.count() as u64, self.apts.count() as u64),
            ("bytes", self.ours.bytes(), self.apts.bytes()),
        ] {
            if ours * 100 > apts * (100 + TOLERANCE) {
                faults.push(format!("{ours} {what}, but apt takes {apts}"));
            }
        }
        faults
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Set { release, wanted, node, told, upgrades, then } = self.set;
        let on = match node {
            Node::Plain => String::new(),
            node => format!(", on {}", node.name()),
        };
        let upgrades = match upgrades {
            Upgrades::Never => String::new(),
            upgrades => format!(", upgrades {}", upgrades.word()),
        };
        let told = match told {
            Told::Status => "",
            Told::Inventory => " by its inventory",
            Told::Nothing => ", of which nothing is told",
        };
        let mib = |taken: &Taken| {
            let tenths = taken.bytes() * 10 / 1_000_000;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        let (ours, apts) = (&self.ours, &self.apts);
        let verdict = match (self.faults(), then) {
            (faults, _) if !faults.is_empty() => format!("FAILED: {}", faults.join("; ")),
            (_, Then::Simulate) => "complete".to_owned(),
            (_, Then::Install) => "complete, installed".to_owned(),
        };
        let [count, of_apt] = [ours, apts].map(Taken::count);
        write!(f, "| {} | {wanted}{on}{told}{upgrades} | {count} / {of_apt} ", release.number())?;
        write!(f, "| {} / {} | {verdict} |", mib(ours), mib(apts))?;
        for (whose, names) in [("ours", ours.beyond(apts)), ("apt's", apts.beyond(ours))] {
            if !names.is_empty() {
                write!(f, " only {whose}: {}", names.join(" "))?;
            }
        }
        Ok(())
    }
}

/// Prints the rows in the order of the sets, and fails if one of them failed.
pub(super) fn check(mut rows: Vec<(usize, Row)>) {
    rows.sort_by_key(|(number, _)| *number);
    eprintln!("\n| Debian | set | packages, ours / apt's | MB, ours / apt's | verdict |");
    eprintln!("| --- | --- | --- | --- | --- |");
    for (_, row) in &rows {
        eprintln!("{row}");
    }
    let failed: Vec<_> = rows.iter().filter(|(_, row)| !row.faults().is_empty()).collect();
    assert!(failed.is_empty(), "{} of {} sets failed", failed.len(), rows.len());
}
