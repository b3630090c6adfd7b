//! An in-memory host for tests, with simulated power cuts and full disks.

mod commands;
mod dpkg;
mod power_cut;

pub(crate) use self::commands::Program;
pub(crate) use self::power_cut::{Fuse, Late};

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::door::{RawHost, Remake};
use super::work::WorkPath;
use super::{
    Command, Content, Exit, HostError, HostPath, Kind, Look, Meta, Mode, New, Node, Output,
    OwnPath, Secret, Source, Stat, TempName, Verb, own,
};

/// An in-memory host. It simulates the tools that rebuild derived state, and any programs that a
/// test adds.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemHost {
    /// The file system; the root directory always exists.
    pub(crate) nodes: BTreeMap<HostPath, Thing>,
    /// The commands that ran to their end.
    pub(crate) ran: Vec<String>,
    /// Programs in addition to the usual ones.
    pub(crate) programs: BTreeMap<&'static str, Program>,
    /// The stdout of the running program.
    pub(crate) stdout: String,
    /// The rebuilds of derived state, by programs and by what they run themselves.
    pub(crate) rebuilt: Vec<&'static str>,
    /// A path that ignores writes, as some of the kernel's own files do.
    pub(crate) ignores: Option<HostPath>,
    /// The secret for commands that need one.
    pub(crate) secret: Option<Secret>,
    /// The number of free bytes; large if not set.
    pub(crate) free: Option<u64>,
    /// The time of the power cut.
    pub(crate) fuse: Fuse,
    ticks: u64,
}

/// A node in memory, with its bytes if it is a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    pub(crate) node: Node,
    /// Shared, because tests copy whole hosts at every power cut.
    pub(crate) bytes: Rc<[u8]>,
    inode: u64,
    changed: u64,
}

impl Thing {
    pub(crate) fn is_dir(&self) -> bool {
        self.node.kind() == Kind::Dir
    }
}

/// Returns the state that a test compares: all paths except the installer's own.
pub(crate) type Picture = BTreeMap<HostPath, Node>;

impl MemHost {
    /// Returns a host with these files and their parent directories.
    pub(crate) fn with_files(files: &[(&str, &str)]) -> Self {
        let mut host = Self::default();
        for (path, text) in files {
            host.place(path, text);
        }
        host
    }

    /// Writes a file as a third party would, bypassing journal and power cuts.
    pub(crate) fn place(&mut self, path: &str, text: &str) {
        self.place_as(path, text.as_bytes(), Meta::root(Mode::FILE));
    }

    /// Writes a file with these permissions, bypassing journal and power cuts.
    pub(crate) fn place_as(&mut self, path: &str, bytes: &[u8], meta: Meta) {
        let node = Node::File { content: Content::of(bytes), meta };
        self.place_node(path, node, bytes);
    }

    /// Places any node, bypassing journal and power cuts.
    pub(crate) fn place_node(&mut self, path: &str, node: Node, bytes: &[u8]) {
        let path = own::fixed(path);
        for dir in path.as_path().ancestors().skip(1) {
            let dir = HostPath::new(dir).unwrap();
            if dir.parent().is_some() && !self.nodes.contains_key(&dir) {
                self.insert(dir, Node::dir(Mode::DIR), [].into());
            }
        }
        self.insert(path, node, bytes.into());
    }

    /// Returns the text of a file.
    pub(crate) fn text_of(&self, path: &str) -> Option<String> {
        let thing = self.nodes.get(&own::fixed(path))?;
        Some(String::from_utf8(thing.bytes.to_vec()).unwrap())
    }

    /// Returns everything except the contents of `without`.
    pub(crate) fn picture(&self, without: &[&str]) -> Picture {
        let ours = |path: &HostPath| own::dir().as_path().starts_with(path.as_path());
        let left_out = |path: &HostPath| without.iter().any(|dir| path.as_path().starts_with(dir));
        let kept = self
            .nodes
            .iter()
            .filter(|(path, _)| !own::owns(path) && !ours(path) && !left_out(path));
        kept.map(|(path, thing)| (path.clone(), thing.node.clone())).collect()
    }

    /// Returns temporary files that should have been swept.
    pub(crate) fn leftovers(&self) -> Vec<&HostPath> {
        let is_temp = |path: &&HostPath| path.as_path().file_name().is_some_and(TempName::matches);
        self.nodes.keys().filter(is_temp).collect()
    }

    fn insert(&mut self, path: HostPath, node: Node, bytes: Rc<[u8]>) {
        self.ticks += 1;
        let inode = match self.nodes.get(&path) {
            Some(old) if old.node.kind() == Kind::Dir && node.kind() == Kind::Dir => old.inode,
            _ => self.ticks,
        };
        self.nodes.insert(path, Thing { node, bytes, inode, changed: self.ticks });
    }

    /// Makes one change that either happens or does not when the power is cut.
    fn change<T>(
        &mut self,
        path: &HostPath,
        act: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, HostError> {
        let fuse = self.fuse.clone();
        let done = fuse.burn(|| act(self));
        done.ok_or_else(|| HostError::path(Verb::Write, path, lack(&fuse)))
    }

    /// Makes one such change that frees space.
    fn less<T>(
        &mut self,
        path: &HostPath,
        act: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, HostError> {
        let fuse = self.fuse.clone();
        let done = fuse.shrink(|| act(self));
        done.ok_or_else(|| HostError::path(Verb::Remove, path, lack(&fuse)))
    }

    /// Returns the node at `path`, with all symlinks resolved.
    fn resolve(&self, path: &HostPath) -> io::Result<HostPath> {
        let mut todo: Vec<String> = path
            .as_path()
            .components()
            .rev()
            .map(|part| part.to_string())
            .filter(|part| part != "/")
            .collect();
        let mut done = own::fixed("/");
        for _ in 0..100 {
            let Some(part) = todo.pop() else { return Ok(done) };
            if part == ".." {
                done = done.parent().unwrap_or(done);
                continue;
            }
            let next = HostPath::new(done.as_path().join(&part)).map_err(io::Error::other)?;
            match self.nodes.get(&next).map(|thing| &thing.node) {
                Some(Node::Link { target, .. }) => {
                    if target.starts_with('/') {
                        done = own::fixed("/");
                    }
                    let parts = target.split('/').filter(|part| !part.is_empty() && *part != ".");
                    todo.extend(parts.map(str::to_owned).rev());
                }
                _ => done = next,
            }
        }
        Err(io::ErrorKind::InvalidInput.into())
    }

    /// Returns `path` with the symlinks in all but its last component resolved.
    fn real(&self, path: &HostPath) -> HostPath {
        let Some(parent) = path.parent() else { return path.clone() };
        let parent = self.resolve(&parent).unwrap_or(parent);
        let name = path.as_path().file_name().unwrap_or_default();
        HostPath::new(parent.as_path().join(name)).unwrap()
    }

    fn is_dir(&self, path: &HostPath) -> bool {
        path.parent().is_none()
            || self.nodes.get(path).is_some_and(|thing| thing.node.kind() == Kind::Dir)
    }

    /// Runs a command. A command that cannot write fails by its exit status.
    fn status(&mut self, command: &Command) -> Result<i32, HostError> {
        match commands::run(self, &command.words()) {
            Err(error) if error.kind() == Some(io::ErrorKind::StorageFull) => Ok(28),
            result => result,
        }
    }

    /// Returns the paths below a directory. They are next to it in the order of paths.
    fn below(&self, dir: &HostPath) -> impl Iterator<Item = &HostPath> {
        let after = self.nodes.range((Bound::Excluded(dir), Bound::Unbounded));
        after
            .map(|(path, _)| path)
            .take_while(move |path| path.as_path().starts_with(dir.as_path()))
    }

    fn temp(path: &HostPath, temp: TempName) -> HostPath {
        HostPath::new(path.parent().unwrap().as_path().join(temp.to_string())).unwrap()
    }

    fn source(&self, from: Source<'_>) -> io::Result<Rc<[u8]>> {
        match from {
            Source::Nowhere => Ok([].into()),
            Source::Bytes(bytes) => Ok(bytes.into()),
            Source::File(path) => match self.nodes.get(&self.real(path)) {
                Some(thing) if thing.node.kind() == Kind::File => Ok(thing.bytes.clone()),
                _ => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }

    /// Refuses operations that the kernel would refuse.
    fn check_put(&self, path: &HostPath, node: &Node) -> io::Result<()> {
        let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        if !self.is_dir(&parent) {
            let there = self.nodes.contains_key(&parent);
            let kind = if there { io::ErrorKind::NotADirectory } else { io::ErrorKind::NotFound };
            return Err(kind.into());
        }
        match (self.nodes.get(path).map(|thing| thing.node.kind()), node.kind()) {
            (_, Kind::Special) => Err(io::ErrorKind::Unsupported.into()),
            (Some(Kind::Dir), Kind::File | Kind::Link) => Err(io::ErrorKind::IsADirectory.into()),
            (Some(Kind::File | Kind::Link | Kind::Special), Kind::Dir) => {
                Err(io::ErrorKind::NotADirectory.into())
            }
            _ => Ok(()),
        }
    }
}

/// Returns the error for a missing path.
fn lack(fuse: &Fuse) -> io::Error {
    if fuse.is_full() { io::ErrorKind::StorageFull.into() } else { io::Error::other("power cut") }
}

impl Look for MemHost {
    fn node(&self, path: &HostPath) -> Result<Option<Node>, HostError> {
        if path.parent().is_none() {
            return Ok(Some(Node::dir(Mode::DIR)));
        }
        Ok(self.nodes.get(&self.real(path)).map(|thing| thing.node.clone()))
    }

    fn stat(&self, path: &HostPath) -> Result<Option<Stat>, HostError> {
        let stat = |thing: &Thing| Stat {
            kind: thing.node.kind(),
            size: thing.bytes.len() as u64,
            inode: thing.inode,
            changed: i64::try_from(thing.changed).unwrap(),
        };
        if path.parent().is_none() {
            return Ok(Some(Stat { kind: Kind::Dir, size: 0, inode: 1, changed: 0 }));
        }
        Ok(self.nodes.get(&self.real(path)).map(stat))
    }

    fn read_up_to(&self, path: &HostPath, max: u64) -> Result<Option<Vec<u8>>, HostError> {
        let error = |error| HostError::path(Verb::Read, path, error);
        let real = self.resolve(path).map_err(error)?;
        match self.nodes.get(&real) {
            None => Ok(None),
            Some(thing) if thing.node.kind() != Kind::File => {
                Err(error(io::ErrorKind::InvalidInput.into()))
            }
            Some(thing) if thing.bytes.len() as u64 > max => {
                Err(error(io::ErrorKind::FileTooLarge.into()))
            }
            Some(thing) => Ok(Some(thing.bytes.to_vec())),
        }
    }

    fn list(&self, path: &HostPath) -> Result<Option<Vec<String>>, HostError> {
        let error = |error| HostError::path(Verb::Read, path, error);
        let real = self.resolve(path).map_err(error)?;
        if !self.is_dir(&real) {
            let there = self.nodes.contains_key(&real);
            return if there { Err(error(io::ErrorKind::NotADirectory.into())) } else { Ok(None) };
        }
        let child = |path: &HostPath| {
            let inside = path.as_path().strip_prefix(real.as_path()).ok()?.as_str();
            (!inside.contains('/')).then(|| inside.to_owned())
        };
        Ok(Some(self.below(&real).filter_map(child).collect()))
    }

    fn free_space(&self, _: &HostPath) -> Result<u64, HostError> {
        Ok(self.free.unwrap_or(1 << 40))
    }

    fn query(&self, command: &Command) -> Result<Option<Output>, HostError> {
        let mut scratch = Self { fuse: Fuse::never(), stdout: String::new(), ..self.clone() };
        let status = commands::run(&mut scratch, &command.words());
        let status = status.map_err(|_| HostError::Start {
            command: command.clone(),
            source: io::ErrorKind::NotFound.into(),
        })?;
        let stdout = scratch.stdout.into_bytes();
        Ok(Some(Output { exit: Exit::Status(status), stdout, stderr: Vec::new() }))
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }
}

impl RawHost for MemHost {
    fn put(&mut self, path: &HostPath, new: New<'_>) -> Result<(), HostError> {
        let error = |error| HostError::path(Verb::Write, path, error);
        let path = &self.real(path);
        self.check_put(path, new.node).map_err(error)?;
        let bytes = self.source(new.from).map_err(error)?;
        if new.node.content().is_some_and(|content| content != Content::of(&bytes)) {
            return Err(error(io::ErrorKind::InvalidData.into()));
        }
        if self.ignores.as_ref() == Some(path) {
            return Ok(());
        }
        if let (Node::Dir { meta }, Some(Node::Dir { meta: old })) =
            (new.node, self.nodes.get(path).map(|thing| thing.node.clone()))
        {
            // Owner and attributes first, then the mode: a power cut may come in between.
            let half = Node::Dir { meta: Meta { mode: old.mode, ..meta.clone() } };
            self.change(path, |host| host.insert(path.clone(), half, [].into()))?;
            let whole = new.node.clone();
            return self.change(path, |host| host.insert(path.clone(), whole, [].into()));
        }
        let temp = Self::temp(path, new.temp);
        let half = Node::file(Content::of(b""), Mode::FILE);
        self.change(&temp, |host| host.insert(temp.clone(), half, [].into()))?;
        self.change(path, |host| {
            host.nodes.remove(&temp);
            host.insert(path.clone(), new.node.clone(), bytes);
        })
    }

    fn remove(&mut self, path: &HostPath) -> Result<(), HostError> {
        let path = &self.real(path);
        if self.below(path).next().is_some() {
            let kind = io::ErrorKind::DirectoryNotEmpty;
            return Err(HostError::path(Verb::Remove, path, kind));
        }
        if self.nodes.contains_key(path) {
            self.less(path, |host| host.nodes.remove(path))?;
        }
        Ok(())
    }

    fn sweep(&mut self, path: &HostPath, temp: TempName) -> Result<(), HostError> {
        let temp = Self::temp(&self.real(path), temp);
        if self.nodes.contains_key(&temp) {
            self.less(&temp, |host| host.nodes.remove(&temp))?;
        }
        Ok(())
    }

    fn run(&mut self, command: &Command) -> Result<String, HostError> {
        if command.secret().is_some() && self.secret.is_none() {
            return Err(HostError::NoSecret { command: command.clone() });
        }
        self.stdout.clear();
        let status = self.status(command)?;
        let said = std::mem::take(&mut self.stdout);
        if status != 0 {
            let exit = Exit::Status(status);
            let tail = "it is only pretending\n".to_owned();
            return Err(HostError::Failed { command: command.clone(), exit, tail });
        }
        self.ran.push(command.to_string());
        Ok(said)
    }

    fn ask(&mut self, command: &Command) -> Result<Option<Output>, HostError> {
        self.stdout.clear();
        let status = self.status(command)?;
        let stdout = std::mem::take(&mut self.stdout).into_bytes();
        Ok(Some(Output { exit: Exit::Status(status), stdout, stderr: Vec::new() }))
    }

    fn link(&mut self, from: &OwnPath, to: &WorkPath, mode: Mode) -> Result<(), HostError> {
        let error = |error| HostError::path(Verb::Write, to, error);
        let bytes = self.source(Source::File(from)).map_err(error)?;
        let node = Node::file(Content::of(&bytes), mode);
        self.change(to, |host| host.insert((**to).clone(), node, bytes))
    }

    fn rewrite(&mut self, path: &WorkPath, make: Remake<'_>) -> Result<(), HostError> {
        let error = |error| HostError::path(Verb::Write, path, error);
        let old = self.nodes.get(path).cloned();
        let mut reader = old.as_ref().map(|thing| &thing.bytes[..]);
        let mut bytes = Vec::new();
        let keep = make(reader.as_mut().map(|reader| reader as &mut dyn io::Read), &mut bytes);
        let keep = keep.map_err(error)?;
        let mode = match old.map(|thing| thing.node) {
            Some(Node::File { meta, .. }) => meta.mode,
            _ => Mode::FILE,
        };
        let node = Node::file(Content::of(&bytes), mode);
        self.change(path, |host| {
            host.nodes.remove(path);
            if keep {
                host.insert((**path).clone(), node, bytes.into());
            }
        })
    }

    fn set_aside(&mut self, from: &OwnPath, to: &OwnPath) -> Result<(), HostError> {
        self.rename(from, to)
    }

    fn adopt(&mut self, from: &OwnPath, to: &WorkPath) -> Result<(), HostError> {
        self.rename(from, to)
    }

    fn clear(&mut self, dir: &WorkPath) -> Result<(), HostError> {
        if !self.nodes.contains_key(dir) {
            return Ok(());
        }
        // The directory itself is removed last: a power cut may leave half of it.
        let inside = |path: &HostPath| path.as_path().starts_with(dir.as_path()) && *path != **dir;
        self.less(dir, |host| host.nodes.retain(|path, _| !inside(path)))?;
        self.less(dir, |host| host.nodes.remove(dir)).map(|_| ())
    }
}

impl MemHost {
    fn rename(&mut self, from: &HostPath, to: &HostPath) -> Result<(), HostError> {
        let moved = |path: &HostPath| {
            let below = path.as_path().strip_prefix(from.as_path()).ok()?;
            Some(HostPath::new(to.as_path().join(below)).unwrap())
        };
        self.change(from, |host| {
            let nodes = std::mem::take(&mut host.nodes);
            let renamed = |(path, thing)| (moved(&path).unwrap_or(path), thing);
            host.nodes = nodes.into_iter().map(renamed).collect();
        })
    }
}
