//! Power cuts and full disks at every change, for tests.

use crate::act::Log;
use crate::host::OwnState;
use crate::host::testing::{Fuse, Late, MemHost, Picture};
use crate::journal::{Kept, RevertError, TxState, revert};

/// A host and its journal, which a power cut affects at the same time.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) host: MemHost,
    pub(crate) log: Log,
}

impl World {
    pub(crate) fn new(host: &MemHost) -> Self {
        let mut host = host.clone();
        OwnState::of(&mut host).prepare().unwrap();
        Self { host, log: Log::in_memory().unwrap() }
    }

    /// Returns the same world, in which the power fails as defined by `fuse`.
    pub(crate) fn with(&self, fuse: Fuse) -> Self {
        let mut world = self.clone();
        world.host.fuse = fuse.clone();
        world.log.fuse = fuse;
        world
    }

    /// Returns the same world with the power permanently restored.
    pub(crate) fn powered(&self) -> Self {
        self.with(Fuse::never())
    }

    pub(crate) fn revert(&mut self) -> Result<Vec<Kept>, RevertError> {
        let open = self.log.transactions()?.into_iter().rfind(|t| t.state != TxState::Reverted);
        match open {
            Some(tx) => revert(&mut self.host, &mut self.log, tx.id, &mut |_| {}),
            None => Ok(Vec::new()),
        }
    }

    fn picture(&self) -> Picture {
        self.host.picture(&[])
    }

    /// Returns everything that survives a power cut.
    fn durable(&self) -> impl PartialEq {
        let transactions = self.log.transactions().unwrap();
        let entries: Vec<_> =
            transactions.iter().map(|tx| self.log.entries(tx.id).unwrap()).collect();
        (self.host.nodes.clone(), transactions, entries, self.log.dirty().unwrap())
    }
}

/// The operation under test; called again after a cut, it resumes.
pub(crate) type Apply<'a> = &'a dyn Fn(&mut World) -> Result<(), String>;

/// Cuts the power at every change of `apply`, and then again at every change of resuming and of
/// reverting. Returns the number of pairs.
pub(crate) fn cut_everywhere(before: &MemHost, apply: Apply<'_>) -> usize {
    let start = World::new(before);
    let mut done = start.powered();
    apply(&mut done).unwrap();
    let [original, applied] = [start.picture(), done.picture()];
    assert_ne!(original, applied, "nothing was changed, so nothing is tested");

    let mut cuts = 0;
    for first in 1.. {
        let (world, died) = fail_at(&start, first, Late::Before, apply);
        cuts += twice(&world, apply, &applied);
        cuts += twice(&world, &|world| take_back(world), &original);
        if !died {
            break;
        }
    }
    cuts
}

/// Cuts the power before, or fills the disk at, every change of `apply`. Checks each time that resuming leads to the same end, and reverting to the start. Returns the number of changes.
pub(crate) fn cut_once(before: &MemHost, late: Late, apply: Apply<'_>) -> usize {
    let start = World::new(before);
    let mut done = start.powered();
    apply(&mut done).unwrap();
    let [original, applied] = [start.picture(), done.picture()];
    for n in 1.. {
        let (world, died) = fail_at(&start, n, late, apply);
        if !died {
            return n - 1;
        }
        for (act, expected) in
            [(apply, &applied), (&|world: &mut World| take_back(world), &original)]
        {
            let mut world = world.powered();
            act(&mut world).unwrap();
            let picture = world.picture();
            let differ: Vec<_> =
                (picture.iter().filter(|(path, node)| expected.get(*path) != Some(*node)))
                    .chain(expected.iter().filter(|(path, _)| !picture.contains_key(*path)))
                    .collect();
            assert!(differ.is_empty(), "cut at {n}, {late:?}: {differ:?}");
            assert!(world.log.dirty().unwrap().is_empty());
            assert!(world.host.leftovers().is_empty(), "{:?}", world.host.leftovers());
        }
    }
    unreachable!("a world has finitely many changes")
}

/// Returns the world after `act` failed at its `n`-th change, and whether it failed.
///
/// A cut just after a change must leave the same state as a cut just before the next one, so only
/// the latter need to be resumed and reverted.
fn fail_at(start: &World, n: usize, late: Late, act: Apply<'_>) -> (World, bool) {
    let mut world = start.with(Fuse::at(n, late));
    let died = run(&mut world, act);
    if late == Late::Before && n > 1 {
        let mut after = start.with(Fuse::at(n - 1, Late::After));
        run(&mut after, act);
        assert!(after.durable() == world.durable(), "cuts between changes {} and {n}", n - 1);
    }
    (world, died)
}

/// Runs `act` with a cut at each of its changes, runs it again, and compares.
fn twice(world: &World, act: Apply<'_>, expected: &Picture) -> usize {
    for second in 1.. {
        let mut world = world.with(Fuse::at(second, Late::Before));
        let died = run(&mut world, act);
        let mut world = world.powered();
        act(&mut world).unwrap();
        assert_eq!(world.picture(), *expected, "second cut at {second}");
        assert!(world.log.dirty().unwrap().is_empty());
        assert!(world.host.leftovers().is_empty(), "{:?}", world.host.leftovers());
        if !died {
            return second;
        }
    }
    unreachable!("a world has finitely many changes")
}

/// Checks whether the failure is a power cut. Any other failure fails the test.
fn run(world: &mut World, act: Apply<'_>) -> bool {
    let result = act(world);
    let died = world.host.fuse.is_blown();
    assert!(died || result.is_ok(), "{result:?}");
    if world.host.fuse.is_full()
        && let Err(error) = &result
    {
        let says = ["no storage space", "the disk is full", "status 28"];
        assert!(says.iter().any(|word| error.contains(word)), "{error}");
    }
    died
}

fn take_back(world: &mut World) -> Result<(), String> {
    let kept = world.revert().map_err(|error| error.to_string())?;
    assert_eq!(kept, [], "a path of the installer was taken for a foreign one");
    Ok(())
}
