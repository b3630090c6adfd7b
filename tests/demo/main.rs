//! The demo: the main job, from a recipe to vGPUs on a node and back, in a scratch folder.
//!
//! No network, no root, nothing outside of the folder. The real programs and the stock tools of a
//! host print every line below a command. Only the important ones are shown, and all with `--all`.

#![expect(clippy::print_stdout, reason = "it is a show")]
#![expect(clippy::unwrap_used, reason = "the makers of the tests panic")]

#[path = "../kit/servers/archive.rs"]
mod archive;
#[path = "../kit/gpg.rs"]
mod gpg;
mod laptop;
mod node;
mod show;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use camino::Utf8Path;
use vgpu_tests::programs::become_named_program;

use self::laptop::{FIRST, Laptop, SECOND};
use self::node::{Node, Rights};
use self::show::Lines::{All, First, Nothing, With};
use self::show::{Show, has, heading, say};

fn main() -> ExitCode {
    if let Some(code) = become_named_program() {
        return code;
    }
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> Result<()> {
    println!("vGPUs on a Proxmox VE node without a network: the whole job on a simulated node.");
    println!("The driver, its patch and the unlock library are stand-ins, made on the spot.");
    println!("The programs are real. Only their important lines are shown; all with `--all`.");
    if !has("git") {
        say("skipped: needs git, with which the bundler gets the sources of the unlock library");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let scratch = Utf8Path::from_path(folder.path()).context("the scratch folder is not UTF-8")?;
    let rights = Rights::here();
    let show = Show::new(scratch, rights)?;
    let laptop = Laptop::new(&scratch.join("laptop"))?;
    laptop.write(FIRST)?;
    let mut node = Node::new(&scratch.join("node"), rights)?;
    if !laptop.has_packages() {
        node.have_packages()?;
    }
    let before = node.snapshot()?;
    fs::create_dir(scratch.join("stick"))?;

    on_the_laptop(&show, &laptop)?;
    by_stock_tools(&show)?;
    trust(&show)?;
    let runs = rights.is_some();
    apply(&show, &mut node, runs)?;
    tamper(&show)?;
    if runs {
        upgrade(&show, &laptop, &mut node)?;
    }
    heading("Everything back: the driver, the packages, every file");
    let lines = With(&["  remove the driver", "  purge 3", "reverted; "]);
    show.installer(&["revert", "--all", "--yes"], lines, 10)?;
    node.boot()?;
    let differences = before.differences(&node.snapshot()?);
    ensure!(differences.is_empty(), "the node is not what it was: {differences:#?}");
    say(&format!("{} paths of the node compared with the stock host: no difference", before.len()));
    summary(&laptop, runs);
    Ok(())
}

const BUNDLE: &str = "stick/demo-1.vgpu.tar";
const UPGRADE: &str = "stick/demo-2.vgpu.tar";

fn on_the_laptop(show: &Show, laptop: &Laptop) -> Result<()> {
    heading("On the laptop: what an RTX 2080 Ti needs, in one signed file");
    let recipe = With(&[
        "[[d",
        "[[p",
        "[[u",
        "[[i",
        "[[apt]]",
        "[targets]",
        "gpu =",
        "driver = \"1",
        "path =",
        "git =",
        "install =",
    ]);
    show.tool(&["cat", "bundle.toml"], recipe)?;
    if !laptop.has_packages() {
        say(
            "skipped: needs gpg and gpgv, to sign an archive of packages; the node has them already",
        );
    }
    show.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"], Nothing, 0)?;
    show.bundler(
        &["lock"],
        With(&["compiling, which", "+ host", "+ unlock", "+ 3", "+ image"]),
        0,
    )?;
    show.bundler(&["build", "--output", "../stick"], With(&["signed by"]), 0)
}

fn by_stock_tools(show: &Show) -> Result<()> {
    heading("With stock tools: the recipe of docs/STOCK-RECIPE.md, before anything is installed");
    show.tool(&["tar", "-tf", &format!("../{BUNDLE}")], First(3))?;
    show.stock_recipe(BUNDLE, With(&["Good", "proven"]))
}

fn trust(show: &Show) -> Result<()> {
    heading("On the node: trust a key by its fingerprint, verify, judge");
    let fingerprint = show.fingerprint()?;
    let key = "config/vgpu-offline/key.pub";
    let who = ["trust", "add", key, "--principal", "alice", "--channel", "stable"];
    let words = [&who[..], &["--fingerprint", &fingerprint]].concat();
    show.installer(&words, With(&["is trusted"]), 0)?;
    show.installer(&["verify", BUNDLE], With(&["intact"]), 0)?;
    let verdict = With(&["fits", "unlock,", " driver ", "shown as", "s in the"]);
    show.installer(&["check", BUNDLE], verdict, 0)
}

fn apply(show: &Show, node: &mut Node, runs: bool) -> Result<()> {
    heading("Plan, then apply: phase 1, the reboot, phase 2");
    let steps = With(&[
        "before the",
        "after the",
        "packages",
        "parameters",
        "driver",
        "libvgpu",
        "to activate",
    ]);
    show.installer(&["plan", BUNDLE], steps, 0)?;
    let phase = With(&["staged", "[2/", "[4/", "phase 1"]);
    show.installer(&["apply", "--yes", BUNDLE], phase, 10)?;
    let resume = node.boot()?;
    if !runs {
        say("skipped: needs root or user namespaces, to run commands in the node's folder");
        return Ok(());
    }
    say("the node boots, and the installer's unit resumes:");
    let words: Vec<&str> = resume.iter().map(String::as_str).collect();
    show.installer(&words, With(&["[7/", "[8/", "[15/", "done"]), 0)?;

    heading("The result: vGPU types, and the command that gives one to a VM");
    let status = With(&[
        "module  ",
        "preload",
        "types",
        "GPU  ",
        "nvidia-300  ",
        "pvesh",
        "qm ",
        "everything",
    ]);
    show.installer(&["status"], status, 0)
}

/// Changes one byte of the bundle on the stick.
fn tamper(show: &Show) -> Result<()> {
    heading("One byte of the bundle is changed on the stick");
    let stick = fs::File::options().write(true).open(show.scratch.join(BUNDLE))?;
    let middle = stick.metadata()?.len() / 2;
    stick.write_all_at(b"\0!", middle)?;
    show.installer(&["verify", BUNDLE], First(3), 3)
}

fn upgrade(show: &Show, laptop: &Laptop, node: &mut Node) -> Result<()> {
    heading("An upgrade: the next branch of the driver, with its own patch");
    laptop.write(SECOND)?;
    show.bundler(&["lock"], With(&["~ host driver"]), 0)?;
    show.bundler(&["build", "--output", "../stick"], Nothing, 0)?;
    show.installer(&["plan", UPGRADE], All, 0)?;
    show.installer(&["apply", "--yes", UPGRADE], With(&["staged", "done"]), 10)?;
    node.boot()?;
    let status = With(&["module  ", "everything"]);
    show.installer(&["status"], status, 0)
}

fn summary(laptop: &Laptop, runs: bool) {
    heading("What was shown");
    let packages = if laptop.has_packages() { ", packages of a signed archive" } else { "" };
    say(&format!("a bundle of a patched driver, an unlock library, an image on disk{packages};"));
    say(
        "signed, verified by stock tools and by the installer, refused after a change of one byte;",
    );
    say(if runs {
        "applied through a reboot, upgraded to another branch, and reverted without a trace"
    } else {
        "planned, applied in files only, and reverted without a trace"
    });
    heading("The same for real");
    for line in [
        "vgpu-bundler init      # asks for the GPU and Proxmox VE, and writes the recipe",
        "vgpu-bundler build     # locks, builds and signs the bundle",
        "vgpu-bundler write /media/stick --installer vgpu-installer     # with the next steps",
    ] {
        say(line);
    }
}
