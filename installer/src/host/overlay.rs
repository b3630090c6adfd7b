use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::time::SystemTime;

use super::door::{RawHost, Remake};
use super::work::WorkPath;
use super::{
    Command, HostError, HostPath, Kind, Look, Mode, New, Node, Output, OwnPath, Source, Stat,
    TempName, Verb,
};

/// A host for rehearsals: it reads from the host below and keeps every change in memory.
///
/// Later steps see the results of earlier steps. Commands do not run.
pub(crate) struct Overlay<'h> {
    below: &'h dyn Look,
    changed: BTreeMap<HostPath, Option<Kept>>,
}

struct Kept {
    node: Node,
    bytes: Bytes,
}

enum Bytes {
    /// In memory.
    Here(Vec<u8>),
    /// In this file of the host below.
    Below(HostPath),
}

impl<'h> Overlay<'h> {
    pub(crate) fn new(below: &'h dyn Look) -> Self {
        Self { below, changed: BTreeMap::new() }
    }

    /// Resolves a symlink in the last component of `path`. The installer's steps create no other
    /// links.
    fn follow(&self, path: &HostPath) -> Result<HostPath, HostError> {
        let Some(Some(Kept { node: Node::Link { target, .. }, .. })) = self.changed.get(path)
        else {
            return Ok(path.clone());
        };
        let joined = path.parent().unwrap_or_else(|| path.clone()).as_path().join(target);
        HostPath::new(joined)
            .map_err(|error| HostError::path(Verb::Read, path, io::Error::other(error)))
    }
}

impl Look for Overlay<'_> {
    fn node(&self, path: &HostPath) -> Result<Option<Node>, HostError> {
        match self.changed.get(path) {
            Some(kept) => Ok(kept.as_ref().map(|kept| kept.node.clone())),
            None => self.below.node(path),
        }
    }

    fn stat(&self, path: &HostPath) -> Result<Option<Stat>, HostError> {
        let stat = |kept: &Kept| Stat {
            kind: kept.node.kind(),
            size: kept.node.content().map_or(0, |content| content.size),
            inode: 0,
            changed: 0,
        };
        match self.changed.get(path) {
            Some(kept) => Ok(kept.as_ref().map(stat)),
            None => self.below.stat(path),
        }
    }

    fn read_up_to(&self, path: &HostPath, max: u64) -> Result<Option<Vec<u8>>, HostError> {
        let path = self.follow(path)?;
        match self.changed.get(&path) {
            None => self.below.read_up_to(&path, max),
            Some(None) => Ok(None),
            Some(Some(Kept { bytes: Bytes::Below(source), .. })) => {
                self.below.read_up_to(source, max)
            }
            Some(Some(Kept { bytes: Bytes::Here(bytes), node })) => match node.kind() {
                Kind::File => Ok(Some(bytes.clone())),
                _ => Err(HostError::path(Verb::Read, &path, io::ErrorKind::InvalidInput)),
            },
        }
    }

    fn list(&self, path: &HostPath) -> Result<Option<Vec<String>>, HostError> {
        let below = self.below.list(path)?;
        let is_dir = self.changed.get(path).is_some_and(Option::is_some);
        if below.is_none() && !is_dir {
            return Ok(None);
        }
        let mut names: BTreeSet<String> = below.into_iter().flatten().collect();
        for (changed, kept) in &self.changed {
            if changed.parent().as_ref() != Some(path) {
                continue;
            }
            let name = changed.as_path().file_name().unwrap_or_default();
            match kept {
                Some(_) => _ = names.insert(name.to_owned()),
                None => _ = names.remove(name),
            }
        }
        Ok(Some(names.into_iter().collect()))
    }

    fn list_own(&self, path: &OwnPath) -> Result<(Vec<String>, usize), HostError> {
        self.below.list_own(path)
    }

    fn free_space(&self, path: &HostPath) -> Result<u64, HostError> {
        self.below.free_space(path)
    }

    fn query(&self, command: &Command) -> Result<Option<Output>, HostError> {
        self.below.query(command)
    }

    fn now(&self) -> SystemTime {
        self.below.now()
    }
}

impl RawHost for Overlay<'_> {
    fn put(&mut self, path: &HostPath, new: New<'_>) -> Result<(), HostError> {
        let bytes = match new.from {
            Source::Nowhere => Bytes::Here(Vec::new()),
            Source::Bytes(bytes) => Bytes::Here(bytes.to_vec()),
            Source::File(source) => match self.changed.get(source) {
                Some(Some(Kept { bytes: Bytes::Here(bytes), .. })) => Bytes::Here(bytes.clone()),
                Some(Some(Kept { bytes: Bytes::Below(path), .. })) => Bytes::Below(path.clone()),
                _ => Bytes::Below(source.clone()),
            },
        };
        self.changed.insert(path.clone(), Some(Kept { node: new.node.clone(), bytes }));
        Ok(())
    }

    fn is_rehearsal(&self) -> bool {
        true
    }

    fn remove(&mut self, path: &HostPath) -> Result<(), HostError> {
        self.changed.insert(path.clone(), None);
        Ok(())
    }

    fn sweep(&mut self, _: &HostPath, _: TempName) -> Result<(), HostError> {
        Ok(())
    }

    fn run(&mut self, _: &Command) -> Result<String, HostError> {
        Ok(String::new())
    }

    fn ask(&mut self, _: &Command) -> Result<Option<Output>, HostError> {
        Ok(None)
    }

    fn link(&mut self, _: &OwnPath, _: &WorkPath, _: Mode) -> Result<(), HostError> {
        Ok(())
    }

    fn rewrite(&mut self, _: &WorkPath, _: Remake<'_>) -> Result<(), HostError> {
        Ok(())
    }

    fn adopt(&mut self, _: &OwnPath, _: &WorkPath) -> Result<(), HostError> {
        Ok(())
    }

    fn set_aside(&mut self, _: &OwnPath, _: &OwnPath) -> Result<(), HostError> {
        Ok(())
    }

    fn clear(&mut self, _: &WorkPath) -> Result<(), HostError> {
        Ok(())
    }
}

impl fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed: Vec<_> = self.changed.keys().collect();
        f.debug_struct("Overlay").field("changed", &changed).finish_non_exhaustive()
    }
}
