//! Requests that cannot be satisfied are refused, with the failing requirement, the reason and the
//! next step.

use std::fs;

use vgpu_tests::roots::Release::{self, Debian12, Debian13};
use vgpu_tests::roots::{Roots, with_own_mounts};
use vgpu_tests::scratch::Scratch;

use super::laptop::{Laptop, Network, Recipe};
use super::nodes::Nodes;
use super::sets::Node::{self, Aged, Held, Plain};
use super::sets::Upgrades::{self, Coupled, Never};
use super::sets::{SETS, Set};

/// A request, and the expected parts of the message.
struct Refusal {
    wanted: &'static str,
    node: Node,
    upgrades: Upgrades,
    says: &'static [&'static str],
}

const REFUSALS: &[Refusal] = &[
    Refusal {
        wanted: "mdevctl no-such-package",
        node: Plain,
        upgrades: Never,
        says: &["`no-such-package` is not available", "no archive has no-such-package"],
    },
    Refusal {
        wanted: "dkms=0.1",
        node: Plain,
        upgrades: Never,
        says: &["`dkms=0.1` is not available", "has dkms 3."],
    },
    // Two packages that each conflict with the other.
    Refusal {
        wanted: "postfix exim4-daemon-light",
        node: Plain,
        upgrades: Never,
        says: &["postfix", "exim4-daemon-light", "conflicts with mail-transport-agent"],
    },
    // A package that conflicts with one that provides the same.
    Refusal {
        wanted: "docker.io podman-docker",
        node: Plain,
        upgrades: Never,
        says: &["podman-docker", "conflicts with docker.io"],
    },
    // The mirror has the newest `libc6-dev` only, and that needs the newest `libc6`.
    Refusal {
        wanted: "build-essential",
        node: Aged,
        upgrades: Never,
        says: &["libc6-dev", "needs libc6 (= ", "the node has libc6 ", "`upgrades = \"coupled\"`"],
    },
    Refusal {
        wanted: "build-essential",
        node: Held,
        upgrades: Coupled,
        says: &["libc6-dev", "needs libc6 (= ", "which is on hold", "remove the hold on `libc6`"],
    },
];

#[test]
fn what_cannot_be_had_is_refused_with_the_reason() {
    with_own_mounts("closures::refusals::what_cannot_be_had_is_refused_with_the_reason", || {
        let Some(roots) = Roots::open() else { return };
        for release in [Debian12, Debian13] {
            refuse(&roots, release);
        }
    });
}

fn refuse(roots: &Roots, release: Release) {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let Some(nodes) = Nodes::of(&scratch, roots, release, &[Plain, Aged, Held]) else { return };
    let mirror = roots.mirror();
    for Refusal { wanted, node, upgrades, says } in REFUSALS {
        let (node, upgrades) = (*node, *upgrades);
        let set = Set { release, wanted, node, upgrades, ..SETS[0] };
        let recipe = Recipe {
            release,
            wanted: &set.packages(),
            upgrades,
            node: &nodes.told(&set),
            archives: nodes.archives(),
            mirror,
            keys: &mirror.fingerprints(),
        };
        let laptop = Laptop::new(&scratch, Network::Through(mirror.proxy()), wanted, recipe);
        let said = laptop.run(&["lock"]);
        eprintln!("-- Debian {}, {wanted}\n{}", release.number(), said.err);
        assert_eq!(said.code, Some(4), "{}", said.err);
        // Each reason is on its own line.
        assert!(!said.err.contains("\\n"), "{}", said.err);
        for word in *says {
            assert!(said.err.contains(word), "`{word}` is not in\n{}", said.err);
        }
        assert!(!fs::exists(laptop.path("bundle.lock")).unwrap());
    }
}
