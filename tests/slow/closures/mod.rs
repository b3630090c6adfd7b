//! Package closures, verified with the real apt of each release.
//!
//! For every set, the real bundler builds a bundle. The root's own apt, without a network and with
//! the bundle as its only source, must find the closure complete; and the closure must not be more
//! than 2 % larger than the one that apt takes from the full mirror.

mod answers;
mod folder;
mod laptop;
mod nodes;
mod refusals;
mod sets;
mod table;
mod upstream;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use vgpu_tests::repository::Repository;
use vgpu_tests::roots::{Release, Roots, with_own_mounts};
use vgpu_tests::scratch::{Scratch, expect};

use self::answers::{Taken, installed, simulate};
use self::laptop::{Laptop, Network, Recipe};
use self::nodes::{Nodes, path};
use self::sets::{SETS, Set, Then};
use self::table::{Row, check};

/// The number of sets that run in parallel.
const WORKERS: usize = 2;

/// The dependencies of a check.
struct Court<'c> {
    scratch: &'c Scratch,
    roots: &'c Roots,
    keys: &'c [String],
}

#[test]
fn closures_of_debian_11_are_those_of_apt() {
    judge_all("closures::closures_of_debian_11_are_those_of_apt", Release::Debian11);
}

#[test]
fn closures_of_debian_12_are_those_of_apt() {
    judge_all("closures::closures_of_debian_12_are_those_of_apt", Release::Debian12);
}

#[test]
fn closures_of_debian_13_are_those_of_apt() {
    judge_all("closures::closures_of_debian_13_are_those_of_apt", Release::Debian13);
}

fn judge_all(test: &str, release: Release) {
    with_own_mounts(test, || {
        let Some(roots) = Roots::open() else { return };
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        expect(scratch.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
        let keys = roots.mirror().fingerprints();
        let court = Court { scratch: &scratch, roots: &roots, keys: &keys };
        check(court.rows(release));
    });
}

impl Court<'_> {
    /// Returns all sets of a release, with their numbers; none if the mirror does not have it.
    fn rows(&self, release: Release) -> Vec<(usize, Row)> {
        let sets: Vec<_> =
            SETS.iter().enumerate().filter(|(_, set)| set.release == release).collect();
        let wanted: Vec<_> = sets.iter().map(|(_, set)| set.node).collect();
        let nodes = Nodes::of(self.scratch, self.roots, release, &wanted);
        let Some(nodes) = nodes else { return Vec::new() };
        let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some(&(number, set)) = sets.get(next.fetch_add(1, Ordering::Relaxed)) {
                let row = self.judge(&nodes, number, set);
                eprintln!("{row}");
                rows.lock().unwrap().push((number, row));
            }
        };
        thread::scope(|scope| (0..WORKERS).for_each(|_| drop(scope.spawn(work))));
        rows.into_inner().unwrap()
    }

    fn judge(&self, nodes: &Nodes, number: usize, set: &Set) -> Row {
        let mirror = self.roots.mirror();
        let told = nodes.told(set);
        let recipe = Recipe {
            release: set.release,
            wanted: &set.packages(),
            upgrades: set.upgrades,
            node: &told,
            archives: nodes.archives(),
            mirror,
            keys: self.keys,
        };
        let network = Network::Through(mirror.proxy());
        let laptop = Laptop::new(self.scratch, network, &number.to_string(), recipe);
        let built = laptop.build();
        let manifest = &built.manifest;
        let at = format!("/sets/{number}");
        let simulated = simulate(&Repository::new(&nodes.offline, &at, manifest), set);
        let apts = Taken::by_apt(&nodes.mirror, set, &path(set.node));
        let complaint = match (simulated, set.then) {
            (Err(complaint), _) => Some(complaint),
            (Ok(()), Then::Simulate) => None,
            (Ok(()), Then::Install) => {
                let root = nodes.fresh(set.node);
                let repository = Repository::new(&root, "/bundle", manifest);
                repository.fill(&laptop.extract(&built));
                installed(&root, &repository, manifest).err()
            }
        };
        Row { set: *set, ours: Taken::by_us(manifest), apts, complaint }
    }
}
