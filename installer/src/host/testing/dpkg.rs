//! Fakes of dpkg and apt on the in-memory host, limited to the behavior that the tests need.
//!
//! dpkg: one stanza per package in `/var/lib/dpkg/status`, sorted. Each package passes through
//! half-installed, unpacked and installed; removal passes through half-installed, too. While a
//! package is half-installed, apt refuses to work, as the real one does while dpkg's journal is not
//! empty. apt: the index is the one that the option `Dir::Etc::SourceList` points to, dependencies
//! come from the field `Depends`, and automatically installed packages are marked in
//! `extended_states`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Look as _, MemHost};
use crate::host::HostError;
use crate::host::own::fixed;

const STATUS: &str = "/var/lib/dpkg/status";
const MARKS: &str = "/var/lib/apt/extended_states";

/// A package as in dpkg's status or in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stanza(BTreeMap<String, String>);

impl Stanza {
    fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    fn needs(&self) -> impl Iterator<Item = String> {
        let all = self.get("Depends").split(", ").filter(|need| !need.is_empty());
        let names = all.map(|need| need.split(' ').next().unwrap_or_default().to_owned());
        names.collect::<Vec<_>>().into_iter()
    }
}

fn parse(text: &str) -> BTreeMap<String, Stanza> {
    let stanzas = text.split("\n\n").map(|stanza| {
        let pairs = stanza.lines().filter_map(|line| line.split_once(": "));
        Stanza(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    });
    let named = stanzas.filter(|stanza| !stanza.get("Package").is_empty());
    named.map(|stanza| (stanza.get("Package").to_owned(), stanza)).collect()
}

fn write(stanzas: &BTreeMap<String, Stanza>) -> String {
    let mut text = String::new();
    for stanza in stanzas.values() {
        for (name, value) in &stanza.0 {
            text.extend([name, ": ", value, "\n"]);
        }
        text.push('\n');
    }
    text
}

impl MemHost {
    /// A package that was installed before the installer ran.
    pub(crate) fn with_package(mut self, name: &str, version: &str, mark: &str) -> Self {
        let mut known = self.known();
        known.insert(name.to_owned(), stanza(name, version, "install ok installed", ""));
        self.place(STATUS, &write(&known));
        let marks = parse(&self.text_of(MARKS).unwrap_or_default());
        self.place(MARKS, &marked(marks, name, mark == "auto"));
        self
    }

    /// Returns the packages with version and state: `make 4.3 installed`.
    pub(crate) fn packages(&self) -> Vec<String> {
        let line = |stanza: &Stanza| {
            let state = stanza.get("Status").rsplit(' ').next().unwrap_or_default().to_owned();
            format!("{} {} {state}", stanza.get("Package"), stanza.get("Version"))
        };
        self.known().values().map(line).collect()
    }

    fn known(&self) -> BTreeMap<String, Stanza> {
        parse(&self.text_of(STATUS).unwrap_or_default())
    }

    /// Writes one package's state, as one change.
    fn record(&mut self, name: &str, stanza: Option<Stanza>) -> Result<(), HostError> {
        let mut known = self.known();
        match stanza {
            Some(stanza) => _ = known.insert(name.to_owned(), stanza),
            None => _ = known.remove(name),
        }
        self.scribble(STATUS, &write(&known))
    }

    fn mark(&mut self, name: &str, auto: bool) -> Result<(), HostError> {
        let marks = parse(&self.text_of(MARKS).unwrap_or_default());
        let text = marked(marks, name, auto);
        if self.text_of(MARKS).unwrap_or_default() == text {
            return Ok(());
        }
        self.scribble(MARKS, &text)
    }
}

fn marked(mut marks: BTreeMap<String, Stanza>, name: &str, auto: bool) -> String {
    marks.remove(name);
    if auto {
        let fields = [("Package", name), ("Architecture", "amd64"), ("Auto-Installed", "1")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        marks.insert(name.to_owned(), Stanza(fields.into()));
    }
    write(&marks)
}

fn stanza(name: &str, version: &str, status: &str, needs: &str) -> Stanza {
    let fields = [
        ("Package", name),
        ("Version", version),
        ("Status", status),
        ("Architecture", "amd64"),
        ("Depends", needs),
    ];
    let fields = fields.iter().filter(|(_, value)| !value.is_empty());
    Stanza(fields.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

/// Runs `dpkg --unpack FILE` and `dpkg --configure --pending`. A package is a file of one stanza.
pub(super) fn dpkg(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let args: Vec<_> = args.iter().copied().filter(|arg| !arg.starts_with("--force-")).collect();
    match args.as_slice() {
        ["--unpack", file] => {
            let Some(text) = host.text_of(file) else { return Ok(2) };
            let Some(stanza) = parse(&text).into_values().next() else { return Ok(2) };
            unpack(host, &stanza)?;
            Ok(0)
        }
        ["--configure", "--pending"] => configure(host),
        _ => Ok(2),
    }
}

fn unpack(host: &mut MemHost, from: &Stanza) -> Result<(), HostError> {
    let [name, version, needs] = ["Package", "Version", "Depends"].map(|field| from.get(field));
    let state = |status| Some(stanza(name, version, status, needs));
    host.record(name, state("install reinstreq half-installed"))?;
    host.scribble(&format!("/usr/share/{name}"), version)?;
    host.record(name, state("install ok unpacked"))
}

/// Configures unpacked packages whose dependencies are met; returns 1 if any is left.
fn configure(host: &mut MemHost) -> Result<i32, HostError> {
    loop {
        let known = host.known();
        let is = |name: &str, state: &str| {
            known.get(name).is_some_and(|known| known.get("Status").ends_with(state))
        };
        let ready = known.values().find(|one| {
            one.get("Status").ends_with(" unpacked")
                && one.needs().all(|need| is(&need, " installed"))
        });
        let Some(ready) = ready else {
            let left = |one: &Stanza| {
                ["half-installed", "unpacked"]
                    .iter()
                    .any(|state| one.get("Status").ends_with(state))
            };
            return Ok(i32::from(known.values().any(left)));
        };
        let (name, mut done) = (ready.get("Package").to_owned(), ready.clone());
        done.0.insert("Status".to_owned(), "install ok installed".to_owned());
        host.record(&name, Some(done))?;
    }
}

fn remove(host: &mut MemHost, name: &str) -> Result<(), HostError> {
    let known = host.known();
    let Some(is) = known.get(name) else { return Ok(()) };
    let mut half = is.clone();
    half.0.insert("Status".to_owned(), "deinstall ok half-installed".to_owned());
    host.record(name, Some(half.clone()))?;
    host.scratch(&format!("/usr/share/{name}"))?;
    half.0.insert("Status".to_owned(), "deinstall ok config-files".to_owned());
    host.record(name, Some(half))?;
    host.mark(name, false)
}

/// Runs `apt-get update`, `install` and `purge`; `NAME-` is a package to remove.
pub(super) fn apt_get(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let value = |name: &str| args.iter().find_map(|arg| arg.strip_prefix(name)).map(str::to_owned);
    let list = value("Dir::Etc::SourceList=").and_then(|path| host.text_of(&path));
    let folder = list.as_deref().and_then(|list| list.split("file:").nth(1)?.split(' ').next());
    let index = folder.and_then(|folder| host.text_of(&format!("{folder}/Packages")));
    let index = parse(&index.unwrap_or_default());
    let at = args.iter().position(|arg| ["update", "install", "purge"].contains(arg));
    let (Some(at), folder) = (at, folder.unwrap_or_default().to_owned()) else { return Ok(100) };
    let words = &args[at + 1..];
    if args[at] == "update" {
        return Ok(0);
    }
    if host.known().values().any(|one| one.get("Status").ends_with("half-installed")) {
        "E: dpkg was interrupted\n".clone_into(&mut host.stdout);
        return Ok(100);
    }
    if args[at] == "purge" {
        for name in words {
            remove(host, name)?;
            host.record(name, None)?;
        }
        return Ok(0);
    }
    let Some(plan) = solve(host, &index, words) else { return Ok(100) };
    for name in &plan.remove {
        host.stdout.extend(["Remv ", name, " [1]\n"]);
    }
    for name in &plan.install {
        host.stdout.extend(["Inst ", name, " (", index[name].get("Version"), " [amd64])\n"]);
    }
    if args.contains(&"--simulate") {
        return Ok(0);
    }
    if args.contains(&"--no-remove") && !plan.remove.is_empty() {
        return Ok(100);
    }
    carry_out(host, &index, (&folder, &value("DPkg::Path=").unwrap_or_default()), words, &plan)
}

/// The trigger of `initramfs-tools` 0.142: it runs `update-initramfs -u` by `DPkg::Path`, in which the
/// installer's program for it may come first.
fn trigger(host: &mut MemHost, path: &str) -> Result<(), HostError> {
    let first = path.split(':').next().unwrap_or_default();
    let Some(held) = host.text_of(&format!("{first}/update-initramfs")) else {
        return super::commands::update_initramfs(host).map(drop);
    };
    let due = held.split(": >").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    host.scribble(due, "")
}

#[derive(Default)]
struct Solution {
    install: BTreeSet<String>,
    remove: BTreeSet<String>,
}

/// The requested packages, their dependencies, and the reverse dependencies of removed packages.
fn solve(host: &MemHost, index: &BTreeMap<String, Stanza>, words: &[&str]) -> Option<Solution> {
    let mut solution = Solution::default();
    let known = host.known();
    let here = |name: &str| {
        let state = known.get(name).map(|one| one.get("Status"));
        state.is_some_and(|state| !state.ends_with("config-files"))
    };
    let mut todo: Vec<String> = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some((name, version)) if index.get(name)?.get("Version") == version => {
                if known.get(name).is_none_or(|one| one.get("Version") != version) {
                    solution.install.insert(name.to_owned());
                }
                todo.extend(index[name].needs());
            }
            Some(_) => return None,
            None => {
                let name = word.strip_suffix('-')?;
                if here(name) {
                    solution.remove.insert(name.to_owned());
                }
            }
        }
    }
    while let Some(name) = todo.pop() {
        if !here(&name) && solution.install.insert(name.clone()) {
            todo.extend(index.get(&name)?.needs());
        }
    }
    loop {
        let needs_gone = |one: &&Stanza| {
            let name = one.get("Package");
            here(name)
                && !solution.remove.contains(name)
                && !solution.install.contains(name)
                && one.needs().any(|need| solution.remove.contains(&need))
        };
        let Some(next) = known.values().find(needs_gone) else { return Some(solution) };
        solution.remove.insert(next.get("Package").to_owned());
    }
}

fn carry_out(
    host: &mut MemHost,
    index: &BTreeMap<String, Stanza>,
    (folder, path): (&str, &str),
    words: &[&str],
    plan: &Solution,
) -> Result<i32, HostError> {
    for name in &plan.remove {
        remove(host, name)?;
    }
    let mut marks = Vec::new();
    for name in &plan.install {
        let asked = words.iter().any(|word| word.split('=').next() == Some(name));
        let file = format!("{folder}/{}", index[name].get("Filename").trim_start_matches("./"));
        let auto = !asked && (is_auto(host, name) || !host.known().contains_key(name));
        marks.push((name, auto));
        if dpkg(host, &["--unpack", &file])? != 0 {
            return Ok(100);
        }
    }
    let configured = configure(host)?;
    // As real packages with hooks for the initramfs do.
    if plan.install.iter().chain(&plan.remove).any(|name| name == "zfs-initramfs") {
        trigger(host, path)?;
    }
    // apt writes its marks after dpkg has ended, so a power cut loses them.
    for (name, auto) in marks {
        host.mark(name, auto)?;
    }
    Ok(if configured == 0 { 0 } else { 100 })
}

fn is_auto(host: &MemHost, name: &str) -> bool {
    parse(&host.text_of(MARKS).unwrap_or_default()).contains_key(name)
}

/// Runs `apt-mark auto|manual NAME…`.
pub(super) fn apt_mark(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let at = args.iter().position(|arg| ["auto", "manual"].contains(arg)).unwrap_or(args.len());
    for name in args.iter().skip(at + 1) {
        if host.read(&fixed(STATUS))?.is_some() {
            host.mark(name, args[at] == "auto")?;
        }
    }
    Ok(0)
}
