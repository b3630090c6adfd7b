//! SIGKILL and SIGTERM at any time: `apply` can be completed, and `revert` restores the node bit for
//! bit.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use vgpu_tests::nodes::Node;
use vgpu_tests::scratch::{Scratch, expect, run};
use vgpu_tests::tree::Snapshot;

/// The minimum number of kills during `apply`, and during `revert`.
const KILLS: u32 = 100;

const BUNDLE: &str = "demo-1.vgpu.tar";

#[test]
fn a_node_survives_hundreds_of_kills_and_goes_back_to_what_it_was() {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(Node::TeslaT4);
    for (name, text) in [
        ("bundle.toml", include_str!("kill/bundle.toml")),
        ("config.toml", include_str!("kill/config.toml")),
        ("hello.service", include_str!("kill/hello.service")),
        ("limits.conf", include_str!("kill/limits.conf")),
        ("notes/README.txt", include_str!("kill/notes/README.txt")),
    ] {
        scratch.write(name, text);
    }
    expect(scratch.bundler(&["build"]), 0);
    let bundle = scratch.path("laptop").join(BUNDLE);
    let apply = || scratch.installer(&["apply", "--yes", bundle.as_str()]);
    let revert = || scratch.installer(&["revert", "--yes"]);
    let look = || {
        Snapshot::of(&scratch.path("node"), &["etc/vgpu-offline", "var/lib/vgpu-offline"]).unwrap()
    };

    let before = look();
    let (applied, done) = timed(apply());
    assert_eq!(done, Some(10));
    let after = look();
    assert!(!before.differences(&after).is_empty());
    // The node was not booted in between, so no boot is pending.
    let (reverted, done) = timed(revert());
    assert_eq!(done, Some(0));
    assert_eq!(before.differences(&look()), Vec::<String>::new());

    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut killed = [0, 0];
    for round in 0_u32.. {
        // Each round kills an apply, completes it in one of three cases, and kills the revert.
        let signal = if round % 2 == 0 { Signal::KILL } else { Signal::TERM };
        killed[0] += u32::from(kill(apply(), signal, dice.below(applied)));
        if round % 3 == 0 {
            assert!(matches!(run(apply()).code, Some(0 | 10)), "round {round}: apply after a kill");
            let differences = after.differences(&look());
            assert_eq!(differences, Vec::<String>::new(), "round {round}: completed");
            expect(scratch.installer(&["status"]), 0);
        }
        killed[1] += u32::from(kill(revert(), signal, dice.below(reverted)));
        let said = run(revert());
        assert!(matches!(said.code, Some(0 | 10)), "round {round}: {said:?}");
        let differences = before.differences(&look());
        assert_eq!(differences, Vec::<String>::new(), "round {round}: reverted");

        // On a machine that has become faster since the timing, kills come too late. Therefore the
        // test counts hits, not attempts.
        if killed.iter().all(|&times| times >= KILLS) {
            break;
        }
        assert!(round < 20 * KILLS, "{killed:?} kills in {round} rounds");
    }
    eprintln!("killed {} times while applying, {} times while reverting", killed[0], killed[1]);
}

fn timed(command: Command) -> (Duration, Option<i32>) {
    let start = Instant::now();
    let said = run(command);
    assert!(said.code.is_some_and(|code| code == 0 || code == 10), "{said:?}");
    (start.elapsed(), said.code)
}

/// Starts a command and sends it a signal after a delay; returns whether that ended it.
fn kill(mut command: Command, signal: Signal, after: Duration) -> bool {
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    kill_process(Pid::from_child(&child), signal).unwrap();
    matches!(child.wait().unwrap().code(), None | Some(130))
}

/// Random numbers from a fixed seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let micros = u64::try_from(limit.as_micros()).unwrap().max(1);
        Duration::from_micros(self.0 % micros)
    }
}
