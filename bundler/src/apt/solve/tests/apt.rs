//! Compares the solver with the apt of the machine on small package universes.
//!
//! If apt finds a solution, the solver must find one that is consistent. Otherwise they may differ,
//! for these reasons:
//!
//! * apt takes the first alternative that it does not see fail, and may find no solution where one
//!   exists.
//! * The solver propagates the consequences of a dependency before it selects an alternative. apt
//!   may add an alternative first, and then a package that would have satisfied the dependency as
//!   well.
//! * The solver upgrades only what must be upgraded; apt upgrades every requested package.
//! * The solver tries older versions before other packages; apt tries the newest version only.
//! * Of providers with the same rank, apt takes the one whose name it read last, and the solver the
//!   smallest.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::small::{Package, Scene, Shape, name, scene};
use crate::apt::solve::solve;
use crate::types::Upgrades;

/// Returns the packages that apt would add; `None` if it finds no solution.
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

/// Counts of the outcomes.
#[derive(Debug, Default)]
struct Count {
    same: usize,
    neither: usize,
    /// apt found no solution.
    only_ours: usize,
    /// The solver adds fewer packages than apt.
    smaller: usize,
    /// The solver adds as many packages as apt, but different ones.
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
