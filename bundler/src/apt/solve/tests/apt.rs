//! The solver against the machine's own apt, on small universes.
//!
//! Where apt finds a way, so must we, and what we bring must be a sound system. Apart from that they
//! may differ, for these reasons:
//!
//! * apt takes the first way that it does not see fail. Where it finds none, there may be one.
//! * What a need forces is known here before an alternative is chosen. apt may bring an alternative
//!   first and then, by need, another one that would have served.
//! * Nothing becomes newer here that need not; apt makes newer what is asked for.
//! * An older version serves here before another package does; apt looks at the newest only.
//! * Of packages that provide the same and weigh the same, apt takes the one whose name it has read
//!   last, and this solver the smallest.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::small::{Package, Scene, Shape, name, scene};
use crate::apt::solve::{Upgrades, solve};

/// What apt would bring, or nothing if it says that it cannot.
fn apt(dir: &Path, scene: &Scene) -> Option<Vec<usize>> {
    fs::write(dir.join("lists/_repo_._Packages"), scene.index()).unwrap();
    fs::write(dir.join("status"), scene.status()).unwrap();
    let option = |name: &str, value: &str| format!("-o{name}={value}");
    let path = |name: &str, file: &str| option(name, dir.join(file).to_str().unwrap());
    let output = Command::new("apt-get")
        .env("APT_CONFIG", "/dev/null")
        .env("LC_ALL", "C")
        .args([path("Dir::Etc", "etc"), path("Dir::Etc::sourcelist", "sources.list")])
        .args([path("Dir::State", "state"), path("Dir::State::lists", "lists")])
        .args([path("Dir::State::status", "status"), path("Dir::Cache", "cache")])
        .args([option("Dir::Etc::sourceparts", "-"), option("Dir::Etc::preferencesparts", "-")])
        .args([option("Dir::Cache::pkgcache", ""), option("Dir::Cache::srcpkgcache", "")])
        .args([option("APT::Architecture", "amd64"), option("APT::Architectures", "amd64")])
        .args(["-s", "-oDebug::NoLocking=1", "--no-remove", "--no-install-recommends", "install"])
        .args(scene.wanted.iter().map(|wanted| name(*wanted)))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        let known = ["held broken packages", "remove is disabled", "Unable to correct"];
        assert!(known.iter().any(|known| error.contains(known)), "{error}");
        return None;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let brought = text.lines().filter_map(|line| line.strip_prefix("Inst ")).map(|line| {
        let own = line.split(' ').next().unwrap();
        let version = line.split_once('(').unwrap().1.split(' ').next().unwrap();
        let is_it =
            |package: &Package| name(package.name) == own && package.version.to_string() == version;
        scene.packages.iter().position(is_it).unwrap()
    });
    Some(brought.collect())
}

/// How often it went how.
#[derive(Debug, Default)]
struct Count {
    same: usize,
    neither: usize,
    /// apt found no way.
    only_ours: usize,
    /// Less is brought than apt brings.
    smaller: usize,
    /// As many packages as apt brings, but others.
    others: usize,
    larger: usize,
}

const ROUNDS: usize = 240;

#[test]
fn apt_chooses_the_same() {
    if Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs apt-get");
        eprintln!("skipped: needs apt-get");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for folder in ["lists/partial", "cache/archives/partial", "etc", "state"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    fs::write(dir.path().join("sources.list"), "deb [trusted=yes] file:/repo ./\n").unwrap();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let shape = Shape { names: 9, versions: 2, conflicts: 1 };
    let mut count = Count::default();
    for _ in 0..ROUNDS {
        let scene = scene(shape).new_tree(&mut runner).unwrap().current();
        if !scene.wanted.is_empty() {
            compare(dir.path(), &scene, &mut count);
        }
    }
    let differ = count.smaller + count.others + count.larger;
    assert!(count.same > 20 * differ, "{count:?}");
    assert!(count.larger <= ROUNDS / 100, "{count:?}");
    assert!(count.neither > 0 && count.only_ours > 0, "{count:?}");
}

fn compare(dir: &Path, scene: &Scene, count: &mut Count) {
    let ours = solve(&scene.archives(), &scene.node(), &scene.requests(), Upgrades::Coupled);
    let Some(theirs) = apt(dir, scene) else {
        match ours {
            Ok(solution) => {
                assert!(scene.is_sound(&scene.after(&solution)));
                count.only_ours += 1;
            }
            Err(_) => count.neither += 1,
        }
        return;
    };
    let theirs = scene.with(&theirs);
    assert!(scene.is_sound(&theirs));
    let ours = scene.after(&ours.expect("apt finds a way"));
    assert!(scene.is_sound(&ours) && scene.is_satisfied(&ours) && scene.nothing_lost(&ours));
    let new = |way: &[usize]| way.iter().filter(|at| !scene.installed.contains(at)).count();
    if ours == theirs {
        count.same += 1;
    } else {
        match new(&ours).cmp(&new(&theirs)) {
            Ordering::Less => count.smaller += 1,
            Ordering::Equal => count.others += 1,
            Ordering::Greater => count.larger += 1,
        }
    }
}
