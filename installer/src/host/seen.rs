//! What large files were when they were last read to their end.
//!
//! `status` asks whether an image of some gigabytes is still what it was made, and that is not worth
//! reading gigabytes each time. The kernel sets a file's change time whenever its content, owner,
//! permissions or attributes change, and no program can set it back. So a file whose [`Stat`] is what
//! it was when it was read is what it was then. Whoever wants it read asks for that.
//!
//! It is only ever remembered of a file that had been left alone for a while when the reading began:
//! a change in the very tick of the clock in which it was changed before would not be seen. A clock
//! that is wrong costs time and nothing else.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{
    Command, Content, Host, HostError, HostPath, Kind, Look, Meta, Node, Output, OwnPath, OwnState,
    Stat, own,
};

/// Files of this size and more are remembered, in bytes: reading a smaller one takes no time that
/// anybody would notice.
const LARGE: u64 = 16 << 20;

/// How long a file must have been left alone: longer than any tick of a kernel's or a server's clock.
const RIPE: Duration = Duration::from_secs(1);

/// A machine whose large files are read only if they have changed since they were read last.
pub(crate) struct Seen<'l> {
    look: &'l dyn Look,
    memory: RefCell<Memory>,
    /// What was asked about.
    asked: RefCell<BTreeSet<HostPath>>,
    /// What was read now.
    read: RefCell<BTreeSet<HostPath>>,
    /// What was not read.
    unread: RefCell<BTreeSet<HostPath>>,
}

/// Files that were read, and what they were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Memory(BTreeMap<HostPath, Was>);

/// What a file was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Was {
    stat: Stat,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Node>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pieces: Option<Pieces>,
}

/// What a file was, piece by piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Pieces {
    meta: Meta,
    contents: Vec<Content>,
}

impl Pieces {
    fn has(&self, lengths: &[u64]) -> bool {
        self.contents.iter().map(|content| content.size).eq(lengths.iter().copied())
    }
}

fn memory() -> OwnPath {
    own::dir().join("seen.json")
}

impl Memory {
    /// What was remembered on this machine. What cannot be read is as good as forgotten.
    pub(crate) fn load(look: &dyn Look) -> Result<Self, HostError> {
        let bytes = look.read(&memory())?.unwrap_or_default();
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Remember it on this machine.
    pub(crate) fn save(&self, host: &mut dyn Host) -> Result<(), HostError> {
        if *self == Self::load(host)? {
            return Ok(());
        }
        let text = serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("it is plain data"));
        OwnState::of(host).replace(&memory(), &text, own::private())
    }
}

impl<'l> Seen<'l> {
    /// Take what is remembered for true, as far as nothing has changed.
    pub(crate) fn with(look: &'l dyn Look, memory: Memory) -> Self {
        let [asked, read, unread] = [(); 3].map(|()| RefCell::default());
        Self { look, memory: RefCell::new(memory), asked, read, unread }
    }

    /// The files that were not read, because they have not changed since they were.
    pub(crate) fn unread(&self) -> Vec<HostPath> {
        self.unread.borrow().difference(&self.read.borrow()).cloned().collect()
    }

    /// What is to be remembered: of all files that were asked about what they are.
    pub(crate) fn into_memory(self) -> Memory {
        let (Memory(mut files), asked) = (self.memory.into_inner(), self.asked.into_inner());
        files.retain(|path, _| asked.contains(path));
        Memory(files)
    }

    /// What the file is, if that is remembered, or else what `read` finds.
    fn recall<T: Clone>(
        &self,
        path: &HostPath,
        known: impl Fn(&Was) -> Option<T>,
        read: impl Fn() -> Result<Option<T>, HostError>,
        keep: impl Fn(&mut Was, T),
    ) -> Result<Option<T>, HostError> {
        let stat = match self.look.stat(path)? {
            Some(stat) if stat.kind == Kind::File && stat.size >= LARGE => stat,
            _ => return read(),
        };
        self.asked.borrow_mut().insert(path.clone());
        let was = self.memory.borrow().0.get(path).filter(|was| was.stat == stat).cloned();
        if let Some(known) = was.as_ref().and_then(&known) {
            self.unread.borrow_mut().insert(path.clone());
            return Ok(Some(known));
        }
        let is_ripe = self.is_ripe(stat);
        let found = read()?;
        if found.is_some() {
            self.read.borrow_mut().insert(path.clone());
        }
        if let Some(found) = &found
            && is_ripe
            && self.look.stat(path)? == Some(stat)
        {
            let mut was = was.unwrap_or(Was { stat, node: None, pieces: None });
            keep(&mut was, found.clone());
            self.memory.borrow_mut().0.insert(path.clone(), was);
        }
        Ok(found)
    }

    fn is_ripe(&self, stat: Stat) -> bool {
        let now = self.look.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_nanos()).unwrap_or_default();
        let ripe = i64::try_from(RIPE.as_nanos()).unwrap_or(i64::MAX);
        stat.changed < now.saturating_sub(ripe)
    }
}

impl Look for Seen<'_> {
    fn node(&self, path: &HostPath) -> Result<Option<Node>, HostError> {
        let read = || self.look.node(path);
        self.recall(path, |was| was.node.clone(), read, |was, node| was.node = Some(node))
    }

    fn stat(&self, path: &HostPath) -> Result<Option<Stat>, HostError> {
        self.look.stat(path)
    }

    fn read_up_to(&self, path: &HostPath, max: u64) -> Result<Option<Vec<u8>>, HostError> {
        self.look.read_up_to(path, max)
    }

    fn list(&self, path: &HostPath) -> Result<Option<Vec<String>>, HostError> {
        self.look.list(path)
    }

    fn free_space(&self, path: &HostPath) -> Result<u64, HostError> {
        self.look.free_space(path)
    }

    fn query(&self, command: &Command) -> Result<Option<Output>, HostError> {
        self.look.query(command)
    }

    fn pieces(
        &self,
        path: &HostPath,
        lengths: &[u64],
    ) -> Result<Option<(Meta, Vec<Content>)>, HostError> {
        let known = |was: &Was| was.pieces.clone().filter(|pieces| pieces.has(lengths));
        let read = || {
            let found = self.look.pieces(path, lengths)?;
            Ok(found.map(|(meta, contents)| Pieces { meta, contents }))
        };
        let found = self.recall(path, known, read, |was, pieces| was.pieces = Some(pieces))?;
        Ok(found.map(|Pieces { meta, contents }| (meta, contents)))
    }

    fn now(&self) -> SystemTime {
        self.look.now()
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test changes files behind the program's back"
)]
mod tests {
    use std::fs::{self, File};
    use std::io::{Seek as _, SeekFrom, Write as _};

    use camino::Utf8PathBuf;

    use super::*;
    use crate::host::own::fixed;
    use crate::host::{Exec, RealHost};

    /// A machine that says it is later than it is.
    struct Later<'l>(&'l RealHost, Duration);

    impl Look for Later<'_> {
        fn node(&self, path: &HostPath) -> Result<Option<Node>, HostError> {
            self.0.node(path)
        }

        fn stat(&self, path: &HostPath) -> Result<Option<Stat>, HostError> {
            self.0.stat(path)
        }

        fn read_up_to(&self, path: &HostPath, max: u64) -> Result<Option<Vec<u8>>, HostError> {
            self.0.read_up_to(path, max)
        }

        fn list(&self, path: &HostPath) -> Result<Option<Vec<String>>, HostError> {
            self.0.list(path)
        }

        fn free_space(&self, path: &HostPath) -> Result<u64, HostError> {
            self.0.free_space(path)
        }

        fn query(&self, command: &Command) -> Result<Option<Output>, HostError> {
            self.0.query(command)
        }

        fn pieces(
            &self,
            path: &HostPath,
            lengths: &[u64],
        ) -> Result<Option<(Meta, Vec<Content>)>, HostError> {
            self.0.pieces(path, lengths)
        }

        fn now(&self) -> SystemTime {
            SystemTime::now() + self.1
        }
    }

    const HALF: u64 = LARGE / 2;

    /// Look at both files as somebody does who has this memory; what was not read, and what is to
    /// be remembered.
    fn ask(host: &RealHost, later: u64, memory: Memory) -> (Vec<HostPath>, Memory) {
        let later = Later(host, Duration::from_secs(later));
        let seen = Seen::with(&later, memory);
        for name in ["/large", "/small"] {
            let path = fixed(name);
            assert_eq!(seen.node(&path).unwrap(), host.node(&path).unwrap());
            let lengths = [HALF, HALF];
            assert_eq!(
                seen.pieces(&path, &lengths).unwrap(),
                host.pieces(&path, &lengths).unwrap()
            );
            assert_eq!(seen.pieces(&path, &[HALF]).unwrap(), None);
        }
        let unread = seen.unread();
        (unread, seen.into_memory())
    }

    #[test]
    fn a_large_file_is_read_again_only_after_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let mut host = RealHost::open(&root, Exec::Record).unwrap();
        OwnState::of(&mut host).prepare().unwrap();
        fs::write(root.join("small"), "x").unwrap();
        File::create(root.join("large")).unwrap().set_len(LARGE).unwrap();
        let large = [fixed("/large")];

        // What has only just been written may be written once more, and nobody would see it.
        let (unread, memory) = ask(&host, 0, Memory::default());
        assert_eq!((unread, memory), (Vec::new(), Memory::default()));

        let (unread, memory) = ask(&host, 5, Memory::default());
        assert!(unread.is_empty() && memory.0.len() == 1, "{memory:?}");
        memory.save(&mut host).unwrap();
        let kept = Memory::load(&host).unwrap();
        assert_eq!(kept, memory);
        let (unread, again) = ask(&host, 5, kept);
        assert_eq!((&unread[..], &again), (&large[..], &memory));

        // One byte, the size as before, and the time of its content set back.
        let before = fs::metadata(root.join("large")).unwrap().modified().unwrap();
        let mut file = File::options().write(true).open(root.join("large")).unwrap();
        file.seek(SeekFrom::Start(HALF + 1)).unwrap();
        file.write_all(b"x").unwrap();
        file.set_modified(before).unwrap();
        let (unread, changed) = ask(&host, 5, memory.clone());
        assert!(unread.is_empty() && changed != memory, "{unread:?}");

        // What nobody asks about any more is forgotten, and so is what cannot be read.
        assert_eq!(Seen::with(&host, memory).into_memory(), Memory::default());
        fs::write(root.join("var/lib/vgpu-offline/seen.json"), "nonsense").unwrap();
        assert_eq!(Memory::load(&host).unwrap(), Memory::default());
    }
}
