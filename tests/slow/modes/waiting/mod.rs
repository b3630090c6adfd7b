//! The time that an operator waits for a node with vGPUs: `apply` and its resume, compared with the
//! commands of the Bash script that this project replaces.
//!
//! Both start from the same root and reach the same state, with every package and the driver on the
//! disk. Runs alternate, so that the load of the machine concerns both. Programs are counted in a
//! run of each that is not timed.

mod counts;
mod sides;

use std::time::Duration;

use vgpu_tests::roots::with_own_mounts;

use self::counts::Counts;
use self::sides::{Scene, Side};
use super::watch::Spent;

/// The measurements of one side.
#[derive(Debug)]
struct Measured {
    side: Side,
    /// The programs before the reboot and after it, if they were counted.
    counts: Option<[Counts; 2]>,
    /// The time of each run, of both phases together.
    runs: Vec<Spent>,
}

impl Measured {
    /// Returns the quickest run in seconds, which other load on the machine delayed the least.
    fn best(&self, of: fn(&Spent) -> Duration) -> f64 {
        self.runs.iter().map(of).min().unwrap().as_secs_f64()
    }
}

/// Measures every side, in alternation.
fn measure(scene: &Scene, rounds: usize) -> Vec<Measured> {
    let counted = |side: Side| {
        let counts = side.is_counted().then(|| scene.count(side));
        Measured { side, counts, runs: Vec::new() }
    };
    let mut all: Vec<_> = Side::ALL.map(counted).into();
    for _ in 0..rounds {
        for measured in &mut all {
            measured.runs.push(scene.time(measured.side));
        }
    }
    all
}

/// Returns a Markdown table; the counts are those before and after the reboot.
fn table(all: &[Measured]) -> Vec<String> {
    let names: Vec<_> = Counts::names().collect();
    let mut rows = vec![
        format!("| what | wall | ratio | CPU | ratio | {} |", names.join(" | ")),
        format!("| {} |", vec!["---"; 5 + names.len()].join(" | ")),
    ];
    for measured in all {
        let [wall, cpu] = [|it: &Spent| it.wall, |it: &Spent| it.cpu]
            .map(|of| (measured.best(of), all[0].best(of) / measured.best(of)));
        let times = |name: &&str| match &measured.counts {
            Some([before, after]) => format!("{} + {}", before.get(name), after.get(name)),
            None => "–".to_owned(),
        };
        let counts: Vec<_> = names.iter().map(times).collect();
        rows.push(format!(
            "| {} | {:.1} s | {:.2} | {:.1} s | {:.2} | {} |",
            measured.side,
            wall.0,
            wall.1,
            cpu.0,
            cpu.1,
            counts.join(" | ")
        ));
    }
    rows
}

/// Returns the table for the benchmark; `None` if the roots cannot be made here.
#[allow(dead_code, reason = "only the benchmark calls it, which includes this file")]
pub(crate) fn rows(rounds: usize) -> Option<Vec<String>> {
    Some(table(&measure(&Scene::new()?, rounds)))
}

#[test]
fn an_apply_rebuilds_each_thing_once_a_phase() {
    with_own_mounts("modes::waiting::an_apply_rebuilds_each_thing_once_a_phase", || {
        let Some(scene) = Scene::new() else { return };
        let all = measure(&scene, 1);
        eprintln!("{}", table(&all).join("\n"));
        let [_, after] = all[0].counts.as_ref().unwrap();
        assert_eq!(after.get("DKMS builds"), 1, "on all cores: {after}");
        for counts in all[0].counts.iter().flatten() {
            for name in Counts::names() {
                assert!(counts.get(name) <= 1 + of_driver(name), "{name}: {counts}");
            }
        }
    });
}

/// Returns how often NVIDIA's installer does this itself, which no option prevents.
fn of_driver(name: &str) -> usize {
    usize::from(name == "daemon-reload")
}
