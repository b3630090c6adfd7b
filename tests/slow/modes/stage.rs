//! A node under test: a simulated machine, a real root, and a transcript of everything done.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::kit::Kit;
use vgpu_tests::roots::{Layer, Release, Root, Roots};
use vgpu_tests::scratch::{Said, expect, run};
use vgpu_tests::skip::have;
use vgpu_tests::tree::Snapshot;

use super::differ::MAY_DIFFER;
use super::machine::{Machine, WRAPPER, is_wanted, kernels};
use super::watch::{Spent, Watch};
use crate::node::site::Site;

/// The name of the installed program.
const INSTALLED: &str = "/usr/local/sbin/vgpu-installer";

/// The memory limit of the installer, in KiB.
const MEMORY: u64 = 64 << 10;

/// Every path of a node, and every package.
pub(super) type Picture = (Snapshot, BTreeMap<String, String>);

/// A node, and the state of its scenario.
pub(super) struct Stage {
    pub(super) site: Site,
    pub(super) kernel: String,
    machine: Machine,
    boots: u32,
    transcript: String,
    output: Option<Utf8PathBuf>,
    /// The length of the installer's log at the last reading.
    logged: usize,
    before: Picture,
    /// The time of each command since the start or the fork.
    pub(super) spent: Vec<Spent>,
    /// How commands are traced, if they are.
    pub(super) watch: Option<Watch>,
}

impl Stage {
    /// Creates a stock host of a release and records its state; then makes it trust the key of a
    /// kit.
    pub(super) fn stock(root: Root, machine: Machine, kit: &Kit) -> Self {
        pve(&root);
        machine.install(&root);
        let kernel = kernels(&root).pop().unwrap();
        let before = (root.snapshot(&[]), root.packages());
        let site = Site::new(root, kit).with_wrapper(WRAPPER);
        let (boots, transcript, output, logged) = (1, String::new(), None, 0);
        let (spent, watch) = (Vec::new(), None);
        Self { site, kernel, machine, boots, transcript, output, logged, before, spent, watch }
    }

    /// Copies this node in its current state, with a separate transcript. While the copy lives,
    /// this node must only be read.
    pub(super) fn fork(&self) -> Self {
        let (site, kernel, before) = (self.site.fork(), self.kernel.clone(), self.before.clone());
        let Self { machine, boots, logged, .. } = *self;
        let (transcript, output) = (String::new(), None);
        let (spent, watch) = (Vec::new(), None);
        Self { site, kernel, machine, boots, transcript, output, logged, before, spent, watch }
    }

    pub(super) fn root(&self) -> &Root {
        &self.site.root
    }

    /// Records the current state as the start, after a test changed a stock host; the trust is not
    /// included.
    pub(super) fn remember(&mut self) {
        let ours = ["etc/vgpu-offline", "var/lib/vgpu-offline"];
        self.before = (self.root().snapshot(&ours), self.root().packages());
    }

    /// Checks that the host is as at the start, except for allowed differences.
    pub(super) fn is_as_before(&mut self) {
        let (tree, packages) = &self.before;
        assert_eq!(*packages, self.root().packages());
        let after = self.root().snapshot(&[]);
        let differ = tree.differences(&after);
        let unexplained = tree.unexplained(&after, &MAY_DIFFER);
        let text = format!(
            "# {} paths compared with the start; {} differ, all of them of the list\n",
            after.len(),
            differ.len() - unexplained.len()
        );
        self.note(&text);
        assert_eq!(unexplained, Vec::<String>::new());
    }

    /// Checks the same while the installer's own folders and the trust still exist.
    pub(super) fn is_as_before_but_for_ours(&self) {
        self.is_as(&self.before, &[]);
    }

    /// Checks that the host matches a picture, except for allowed differences, the installer's own
    /// folders, and these paths.
    pub(super) fn is_as(&self, (tree, packages): &Picture, may: &[&str]) {
        assert_eq!(*packages, self.root().packages(), "{}", self.transcript);
        let mut left = tree.unexplained(&self.root().snapshot(&[]), &MAY_DIFFER);
        let ours = ["etc/vgpu-offline", "var/lib/vgpu-offline"];
        left.retain(|line| !ours.iter().chain(may).any(|path| line.starts_with(path)));
        assert_eq!(left, Vec::<String>::new(), "{}", self.transcript);
    }

    /// Returns a picture of the current state.
    pub(super) fn picture(&self) -> Picture {
        (self.root().snapshot(&[]), self.root().packages())
    }

    /// Runs the installer and checks its exit status.
    pub(super) fn run(&mut self, words: &[&str], code: i32) -> Said {
        let command = self.site.command(words);
        self.tell(&format!("vgpu-installer {}", words.join(" ")), command, code)
    }

    /// Applies the bundle on the stick, with these additional arguments.
    pub(super) fn apply(&mut self, more: &[&str], code: i32) -> Said {
        let bundle = self.site.bundle();
        self.run(&[&["apply", bundle.as_str(), "--yes"], more].concat(), code)
    }

    /// Runs another program on the machine, as an operator at its terminal.
    pub(super) fn program(&mut self, words: &[&str]) -> Said {
        let command = self.on_machine(words[0], &words[1..]);
        self.tell(&words.join(" "), command, 0)
    }

    /// Boots the machine with its kernel, and runs the enabled units of this project; the resume
    /// unit must exit with this status. Returns their output, by name.
    pub(super) fn reboot(&mut self, code: i32) -> String {
        self.boots += 1;
        let id = format!("boot-{}", self.boots);
        self.machine.boot(&self.site.root, &self.kernel, &id);
        let words = fs::read_to_string(self.root().at("/root/machine/cmdline")).unwrap();
        self.note(&format!("\n# reboot: {words}"));
        let mut all = String::new();
        for unit in ["vgpu-offline-resume.service", "vgpu-offline-sriov.service"] {
            if !is_wanted(self.root(), unit) {
                continue;
            }
            let path = self.root().at(&format!("/etc/systemd/system/{unit}"));
            let text = fs::read_to_string(path).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[0], INSTALLED, "{line}");
            let command = self.installed(&words[1..]);
            let code = if unit.contains("resume") { code } else { 0 };
            let said = self.tell(&format!("({unit}) {line}"), command, code);
            all.extend([said.out, said.err]);
        }
        all
    }

    /// The installed program, as a unit runs it.
    fn installed(&self, words: &[&str]) -> Command {
        if self.site.is_outside() {
            return self.site.command(words);
        }
        self.on_machine(INSTALLED, words)
    }

    fn on_machine(&self, program: &str, words: &[&str]) -> Command {
        let program = format!("PROGRAM={program}");
        let start = ["env", &program, "sh", "-e", "-c", WRAPPER, "sh"];
        self.root().command(&[&start[..], words].concat())
    }

    fn tell(&mut self, line: &str, command: Command, code: i32) -> Said {
        let command = match &mut self.watch {
            Some(watch) => watch.over(&command),
            None => command,
        };
        let began = Spent::so_far();
        let said = run(command);
        let took = began.until_now();
        self.spent.push(took);
        let (took, spent) = (took.wall.as_secs_f32(), self.logged_time());
        let text = format!("\n$ {line}\n{}{}", said.out, said.err);
        self.note(&text);
        self.note(&format!("[exit {}, {took:.1} s{spent}]\n", said.code.unwrap_or(-1)));
        assert_eq!(said.code, Some(code), "{}{}", self.transcript, self.tail());
        self.is_readable();
        said
    }

    /// Checks that the journal, if there is one, is an intact database, and that the log consists of
    /// whole lines of text.
    fn is_readable(&self) {
        let log = self.log();
        assert!(log.is_empty() || log.ends_with('\n'), "{}", self.tail());
        assert!(!log.contains('\0'), "{}", self.tail());
        // A copy: the last connection to a database changes its files when it ends.
        let folder = tempfile::tempdir().unwrap();
        for name in ["journal.db", "journal.db-wal"] {
            let file = self.root().at("/var/lib/vgpu-offline").join(name);
            if file.exists() {
                fs::copy(file, folder.path().join(name)).unwrap();
            }
        }
        let copy = folder.path().join("journal.db");
        if copy.exists() && have("sqlite3") {
            let mut command = Command::new("sqlite3");
            command.arg(copy).arg("PRAGMA integrity_check");
            assert_eq!(expect(command, 0).out, "ok\n");
        }
    }

    /// Returns the installer's log of all commands that it ran.
    pub(super) fn log(&self) -> String {
        let log = self.root().at("/var/log/vgpu-offline/installer.log");
        fs::read(log).map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or_default()
    }

    /// Returns the end of that log, for diagnosis.
    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(80)..].join("\n")
    }

    /// Returns the timing of the last run that changed the host, from its log, and checks its peak
    /// memory against [`MEMORY`].
    fn logged_time(&mut self) -> String {
        let log = self.log();
        if log.len() <= std::mem::replace(&mut self.logged, log.len()) {
            return String::new();
        }
        let ends = log.lines().rfind(|line| line.contains("ends with status"));
        let Some((_, spent)) = ends.and_then(|line| line.split_once(" after ")) else {
            return String::new();
        };
        let peak = spent.rsplit_once("at most ").and_then(|(_, peak)| peak.split(' ').next());
        let peak: u64 = peak.unwrap().parse().unwrap();
        assert!(peak <= MEMORY, "{peak} KiB at its peak: {spent}");
        format!(", by its log {spent}")
    }

    /// Writes the transcript to the output of this name in the suite from now on.
    pub(super) fn begin(&mut self, name: &str) {
        let folder = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let folder = folder.join("node-suite");
        fs::create_dir_all(&folder).unwrap();
        self.output = Some(folder.join(format!("{name}.txt")));
    }

    pub(super) fn note(&mut self, text: &str) {
        self.transcript += text;
        if let Some(path) = &self.output {
            fs::write(path, &self.transcript).unwrap();
        }
    }

    /// Returns the transcript so far.
    pub(super) fn transcript(&self) -> &str {
        &self.transcript
    }

    /// Returns the calls of the simulated commands since the last boot.
    pub(super) fn calls(&self) -> String {
        fs::read_to_string(self.root().at("/run/calls")).unwrap_or_default()
    }
}

/// Runs a test for a stock host of each of these releases with such a machine; only for the Debian
/// release in `VGPU_DEBIAN`, if that is set.
pub(super) fn each(
    releases: &[Release],
    machine: impl Fn(Release) -> Machine,
    body: impl Fn(Release, &Roots, &mut Stage, &mut Kit),
) {
    let Some(roots) = Roots::open() else { return };
    let only = std::env::var("VGPU_DEBIAN").ok();
    for release in releases {
        if only.as_ref().is_some_and(|only| *only != release.number().to_string()) {
            continue;
        }
        let Some(pristine) = roots.layered(*release, Layer::HOST) else { continue };
        let mut kit = Kit::new();
        let mut stage = Stage::stock(pristine.fresh(), machine(*release), &kit);
        body(*release, &roots, &mut stage, &mut kit);
    }
}

/// Creates the Proxmox VE packages that the installer requires or must not change: empty ones with
/// their names and, in `pve-nvidia-vgpu-helper` (since Proxmox VE 8.3.4), its template unit.
pub(crate) fn pve(root: &Root) {
    let codename = root.run(&["sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"]).out;
    let (manager, helper) = match codename.trim() {
        "bullseye" => ("7.4-17", false),
        "bookworm" => ("8.4.1", true),
        _ => ("9.0.3", true),
    };
    let mut files = vec![
        package(root, "pve-manager", manager, "", &[]),
        package(root, "proxmox-ve", manager, "pve-manager", &[]),
    ];
    if helper {
        let unit = "[Unit]\nDescription=Stands for the unit of Proxmox VE\nBefore=pve-guests.service\n\
                    [Service]\nType=oneshot\nExecStart=/usr/lib/nvidia/sriov-manage -e %i\n\
                    [Install]\nWantedBy=multi-user.target\n";
        let path = "/lib/systemd/system/pve-nvidia-sriov@.service";
        files.push(package(root, "pve-nvidia-vgpu-helper", "0.1.0", "", &[(path, unit)]));
    }
    let mut words = vec!["dpkg", "--install"];
    words.extend(files.iter().map(String::as_str));
    expect(root.command(&words), 0);
    fs::remove_dir_all(root.at("/srv/made")).unwrap();
}

/// Builds a package in the root with its own dpkg; returns the path of the file.
pub(super) fn package(
    root: &Root,
    name: &str,
    version: &str,
    needs: &str,
    files: &[(&str, &str)],
) -> String {
    let folder = format!("/srv/made/{name}");
    let depends = if needs.is_empty() { String::new() } else { format!("Depends: {needs}\n") };
    root.write(
        &format!("{folder}/DEBIAN/control"),
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\n\
             Maintainer: tests <t@mirror.example>\n{depends}Description: made for tests\n"
        ),
    );
    for (path, text) in files {
        root.write(&format!("{folder}{path}"), text);
        if path.starts_with("/DEBIAN/") {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(root.at(&format!("{folder}{path}")), mode).unwrap();
        }
    }
    let file = format!("/srv/made/{name}_{version}_all.deb");
    let words = ["dpkg-deb", "--build", "--root-owner-group", &folder, &file];
    expect(root.command(&words), 0);
    file
}

/// Returns the paths of the package files that a node of this kind needs for a driver.
pub(super) fn toolchain(roots: &Roots, release: Release) -> Vec<Utf8PathBuf> {
    let pristine = roots.layered(release, Layer::HOST).unwrap();
    roots.files(&pristine, &TOOLCHAIN).paths()
}

/// The requested ones of those.
pub(super) const TOOLCHAIN: [&str; 4] = ["dkms", "gcc", "make", "linux-headers-amd64"];
