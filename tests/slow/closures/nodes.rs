//! The nodes of a release for which closures are built, and the roots in which apt runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use camino::Utf8PathBuf;
use vgpu_tests::roots::{Archive, Layer, Pristine, Release, Root, Roots};
use vgpu_tests::scratch::{Scratch, expect};

use super::sets::{FULL, Node, Set, Told};

/// The roots and nodes of one release.
pub(super) struct Nodes {
    plain: Pristine,
    full: Option<Pristine>,
    statuses: BTreeMap<Node, String>,
    /// The folder with the bundler's inputs: `NAME.status` and `NAME.json` for each node.
    folder: Utf8PathBuf,
    /// A root with the network and the mirror's newest indexes.
    pub(super) mirror: Root,
    /// A root without a network.
    pub(super) offline: Root,
}

impl Nodes {
    /// Returns the nodes of a release; `None` if the mirror does not have it.
    pub(super) fn of(
        scratch: &Scratch,
        roots: &Roots,
        release: Release,
        wanted: &[Node],
    ) -> Option<Self> {
        let plain = roots.pristine(release)?;
        let full = if wanted.contains(&Node::Full) {
            Some(roots.layered(release, Layer { name: "full", packages: &FULL })?)
        } else {
            None
        };
        let (mirror, offline) = (plain.fresh(), plain.fresh());
        mirror.connect();
        let status = |node: Node| match (node, &full) {
            (Node::Full, Some(full)) => status(full),
            (Node::Plain | Node::Full, _) => status(&plain),
            (Node::Base, _) => base(&status(&plain), &mirror),
            (Node::Aged, _) => aged(&status(&plain)),
            (Node::Held, _) => held(&aged(&status(&plain)), "libc6"),
        };
        let statuses: BTreeMap<_, _> = wanted.iter().map(|node| (*node, status(*node))).collect();
        for root in [&mirror, &offline] {
            for (node, status) in &statuses {
                root.write(&path(*node), status);
            }
        }
        let folder = scratch.path("nodes").join(release.codename());
        let nodes = Self { plain, full, statuses, folder, mirror, offline };
        nodes.tell(scratch);
        Some(nodes)
    }

    /// Writes the bundler's inputs for each node.
    fn tell(&self, scratch: &Scratch) {
        fs::create_dir_all(&self.folder).unwrap();
        for (node, status) in &self.statuses {
            let file = |suffix: &str| self.folder.join(format!("{}.{suffix}", node.name()));
            fs::write(file("status"), status).unwrap();
            let root = self.fresh(*node);
            let inventory = file("json");
            let words = ["inventory", "--output", inventory.as_str()];
            expect(scratch.installer_on(root.path(), &words), 0);
        }
    }

    /// Returns the node section of the recipe of a set.
    pub(super) fn told(&self, set: &Set) -> String {
        let file = |suffix: &str| self.folder.join(format!("{}.{suffix}", set.node.name()));
        match set.told {
            Told::Status => format!("installed = \"{}\"", file("status")),
            Told::Inventory => format!("inventory = \"{}\"", file("json")),
            Told::Nothing => String::new(),
        }
    }

    /// Returns the mirror's suites of this release.
    pub(super) fn archives(&self) -> &[Archive] {
        self.plain.archives()
    }

    /// Creates a separate root with this node's packages.
    pub(super) fn fresh(&self, node: Node) -> Root {
        let below = if node == Node::Full { self.full.as_ref() } else { None };
        let root = below.unwrap_or(&self.plain).fresh();
        root.write("/var/lib/dpkg/status", &self.statuses[&node]);
        root
    }
}

/// Returns the path of a node's status in both roots.
pub(super) fn path(node: Node) -> String {
    format!("/nodes/{}", node.name())
}

fn status(root: &Pristine) -> String {
    fs::read_to_string(root.path().join("var/lib/dpkg/status")).unwrap()
}

/// Returns a status with all packages of `Priority: important` and their dependencies: the stanzas
/// of the mirror. None of them can run, so apt can only simulate.
fn base(status: &str, mirror: &Root) -> String {
    let available = expect(mirror.command(&["apt-cache", "dumpavail"]), 0).out;
    let important = available.split("\n\n").filter(|it| it.contains("\nPriority: important\n"));
    let important = important.filter_map(|it| it.lines().find_map(|l| l.strip_prefix("Package: ")));
    let options = ["apt-get", "--simulate", "--no-install-recommends", "install"];
    let words: Vec<_> = options.into_iter().chain(important).collect();
    let said = expect(mirror.command(&words), 0).out;
    let inst = said.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    let words: Vec<_> =
        ["apt-cache", "--no-all-versions", "show"].into_iter().chain(inst).collect();
    let stanzas = expect(mirror.command(&words), 0).out;
    let installed = stanzas.replace("\nVersion: ", "\nStatus: install ok installed\nVersion: ");
    format!("{}\n\n{}\n", status.trim_end(), installed.trim_end())
}

/// Returns a status as of the first point release: versions changed by Debian since then end in
/// `deb12u1` and not in `deb12u7`, also in exact dependencies of other packages.
fn aged(status: &str) -> String {
    let versions: BTreeSet<_> =
        status.lines().filter_map(|line| line.strip_prefix("Version: ")).collect();
    let mut aged = status.to_owned();
    for version in versions {
        let Some((rest, update)) = version.rsplit_once('u') else { continue };
        let is_update = rest.contains("+deb1") || rest.contains("~deb1");
        if is_update && update != "1" && update.bytes().all(|b| b.is_ascii_digit()) {
            let whole = |end: &str| (format!("{version}{end}"), format!("{rest}u1{end}"));
            for (new, old) in ["\n", ")"].map(whole) {
                aged = aged.replace(&new, &old);
            }
        }
    }
    assert_ne!(aged, status, "nothing has changed since the first point release");
    aged
}

/// Returns the same status with a package on hold.
fn held(status: &str, name: &str) -> String {
    let usual = format!("Package: {name}\nStatus: install ");
    assert!(status.contains(&usual), "there is no {name}");
    status.replace(&usual, &format!("Package: {name}\nStatus: hold "))
}
