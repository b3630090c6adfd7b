//! Benchmarks against comparable tools, as one Markdown table.
//!
//! Every figure is a ratio of medians of interleaved runs on the same bytes, so it is meaningful on
//! a busy machine too; the table notes when the machine was busy.
//!
//! `cargo bench -p vgpu-tests -- waiting` prints the last table alone.
//!
//! `cargo bench -p vgpu-tests` uses 1 GiB in the system's folder for temporary files;
//! `VGPU_BENCH_MIB` and `TMPDIR` change that.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod fleet;
#[path = "../../kit/servers/liar.rs"]
mod liar;
#[path = "../../kit/servers/loopback.rs"]
mod loopback;
mod many;
#[expect(dead_code, unused_imports, reason = "the suites use the rest")]
mod modes;
#[expect(dead_code, unused_imports, reason = "the suites use the rest")]
mod node;
mod run;
mod scene;

use fleet::Fleet;
use many::{Many, Slow};
use run::{Race, have};
use scene::Scene;
use vgpu_tests::roots::with_own_mounts;

fn main() {
    if std::env::args().any(|word| word == WAITING) {
        return waiting();
    }
    let mib = std::env::var("VGPU_BENCH_MIB").ok().and_then(|n| n.parse().ok()).unwrap_or(1024);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let scene = Scene::new(mib);
    let mut rows = Vec::new();
    verify(&scene, &mut rows);
    write(&scene, &mut rows);
    many(&scene, mib, &mut rows);
    fetch(&scene, &mut rows);
    small(&scene, &mut rows);
    reports(&scene, &mut rows);

    println!(
        "\n{mib} MiB of incompressible payload, {} cores, medians of {} interleaved runs.",
        cores(),
        run::ROUNDS
    );
    let busy = load.split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or_default();
    if busy > 0.5 {
        println!("The machine was busy: its load was {busy} at the start.");
    }
    println!("\n| what | time | beside | time | ratio | bar | holds | peak memory |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in rows {
        println!("{row}");
    }
    waiting();
}

/// The argument for the last table alone.
const WAITING: &str = "waiting";

/// Prints the time from a stock host to vGPUs, beside the commands of the Bash script; this needs a
/// Debian root, and mounts of its own.
fn waiting() {
    let title =
        "`apply` and its resume, beside the commands of the script that this project replaces";
    if !rustix::process::geteuid().is_root() {
        return println!("\n{title}: skipped: needs root");
    }
    // This runs the program once more, with that argument.
    with_own_mounts(WAITING, || {
        println!("\n{title}:\n");
        modes::waiting::rows(3).into_iter().flatten().for_each(|row| println!("{row}"));
    });
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Reads from the page cache, and from the disk.
fn verify(scene: &Scene, rows: &mut Vec<String>) {
    let ours = || scene.installer(&["verify", scene.bundle.as_str()]);
    let race = |what, bar| Race::new(what, bar).memory(32);
    let openssl = || scene.tool("openssl", &["dgst", "-sha256", scene.bundle.as_str()]);
    rows.push(race("`verify`, from the page cache", 1.0 / 1.7).against(
        "openssl dgst -sha256",
        &ours,
        &openssl,
    ));
    let sum = || scene.tool("sha256sum", &[scene.bundle.as_str()]);
    rows.push(race("`verify`, from the page cache", f64::INFINITY).against(
        "sha256sum",
        &ours,
        &sum,
    ));
    if have("minisign") {
        let minisign = || {
            scene.tool("minisign", &["-Vm", scene.bundle.as_str(), "-p", scene.minisign.as_str()])
        };
        rows.push(race("`verify`, from the page cache", f64::INFINITY).against(
            "minisign -V",
            &ours,
            &minisign,
        ));
    }
    let cat = || scene.tool("cat", &[scene.bundle.as_str()]);
    rows.push(race("`verify`, from the disk", 1.05).cold(&scene.bundle).against(
        "cat > /dev/null",
        &ours,
        &cat,
    ));
    let deep = || scene.installer(&["verify", "--deep", scene.bundle.as_str()]);
    rows.push(race("`verify --deep`, from the page cache", f64::INFINITY).against(
        "openssl dgst -sha256",
        &deep,
        &openssl,
    ));
}

/// Writes durably.
fn write(scene: &Scene, rows: &mut Vec<String>) {
    let ours = || scene.apply();
    let cp = || scene.copy(&scene.bundle);
    rows.push(Race::new("`apply`, its staging pass", 1.15).memory(64).against(
        "cp + sync",
        &ours,
        &cp,
    ));
    let ours = || scene.build();
    let cp = || scene.copy(&scene.payload);
    rows.push(Race::new("`build`, everything cached", 1.15).memory(64).against(
        "cp + sync",
        &ours,
        &cp,
    ));
    if have("minisign") && have("zstd") {
        let archive = || scene.tar_zstd_minisign();
        rows.push(Race::new("`build`, everything cached", f64::INFINITY).memory(64).against(
            "tar, zstd -3, minisign",
            &ours,
            &archive,
        ));
    }
}

/// Writes a bundle of many items, as real ones are.
fn many(scene: &Scene, mib: usize, rows: &mut Vec<String>) {
    let many = Many::new(scene, mib);
    let ours = || many.build(scene);
    let cp = || many.copy(scene);
    rows.push(Race::new("`build` of 206 items, everything cached", 1.15).memory(64).against(
        "cp -r + sync",
        &ours,
        &cp,
    ));
}

/// Downloads from servers that limit each connection to 8 MiB/s.
fn fetch(scene: &Scene, rows: &mut Vec<String>) {
    let slow = Slow::new(scene);
    let four = || slow.fetch(scene, "4");
    let one = || slow.fetch(scene, "1");
    rows.push(Race::new("`fetch`, four at a time", 1.0 / 3.5).memory(64).against(
        "`fetch`, one at a time",
        &four,
        &one,
    ));
}

/// Interactive commands, in milliseconds. The limit is 100 ms, so the comparison is a sleep.
fn small(scene: &Scene, rows: &mut Vec<String>) {
    let pause = || scene.tool("sleep", &["0.1"]);
    let bundle = scene.small_bundle.as_str();
    for (what, words) in [
        ("`plan`", &["plan", bundle][..]),
        ("`inventory`", &["inventory"]),
        ("`status`", &["status"]),
    ] {
        let ours = || scene.installer(words);
        rows.push(Race::new(what, 1.0).memory(64).against("100 ms", &ours, &pause));
    }
}

/// Compares the reports of a large fleet. The limit is two seconds, so the comparison is a sleep.
fn reports(scene: &Scene, rows: &mut Vec<String>) {
    let fleet = Fleet::new(scene);
    let ours = || fleet.compare(scene);
    let pause = || scene.tool("sleep", &["2"]);
    rows.push(
        Race::new("`fleet compare` of 500 reports", 1.0).memory(64).against("2 s", &ours, &pause),
    );
}
