//! Backups of keys, certificates and leases, as one tar archive that stock tools read.
//!
//! The archive contains private keys, so only root may read it. Store it like a key.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tar::{Archive, Builder, EntryType, Header};
use vgpu_manifest::{HostPath, Mode};

use super::data::{self, SIGNING};
use super::{LicenseError, Service};
use crate::host::own::{folder_mode, license, private};
use crate::host::{Host, Look, MAX_READ, OwnPath, OwnState, RealHost};
use crate::state::below_dir;

/// The largest lease database that a backup accepts: 16 MiB, about ten thousand leases.
pub(crate) const MAX_DATABASE: u64 = 16 << 20;

/// The largest backup file.
pub(crate) const MAX_BACKUP: u64 = MAX_DATABASE + (2 << 20);

/// The lease database, relative to the installer's folder.
pub(crate) const DATABASE: &str = "database/db.sqlite";

/// The files in a backup other than the token signing keys, and whether they are required.
const OTHERS: [(&str, Part); 6] = [
    ("cert/webserver.crt", Part::Optional),
    ("cert/webserver.key", Part::Needed),
    (DATABASE, Part::Optional),
    ("service.json", Part::Needed),
    ("web/root.crt", Part::Needed),
    ("web/root.key", Part::Needed),
];

/// Whether a backup requires a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Needed,
    Optional,
}

/// The contents of a backup, by file name relative to the installer's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backup(BTreeMap<String, Vec<u8>>);

/// The reason why a file cannot be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NoBackup {
    #[error("not a backup of a license server: {0}")]
    Archive(#[from] io::Error),
    /// The archive has an unexpected entry.
    #[error("not a backup of a license server: it has `{}`", .0.escape_debug())]
    Stranger(String),
    #[error("incomplete backup of a license server: it has no `{0}`")]
    Missing(&'static str),
    #[error("not a backup of a license server: `{0}` is too large")]
    TooLarge(String),
    #[error("`service.json` of the backup cannot be read: {0}")]
    Service(#[from] serde_json::Error),
}

fn names() -> impl Iterator<Item = (String, Part)> {
    let signing = SIGNING.map(|name| (format!("cert/{name}"), Part::Optional));
    signing.into_iter().chain(OTHERS.map(|(name, part)| (name.to_owned(), part)))
}

fn path(name: &str) -> OwnPath {
    license().join(name)
}

fn cap(name: &str) -> u64 {
    if name == DATABASE { MAX_DATABASE } else { MAX_READ }
}

/// Returns a consistent copy of the lease database; `None` if there is none yet.
///
/// SQLite makes the copy in one read transaction, while the server keeps writing.
pub(crate) fn snapshot(host: &RealHost) -> Result<Option<Vec<u8>>, LicenseError> {
    let path = below_dir(&data::database(), "db.sqlite");
    let Some(stat) = host.stat(&path)? else { return Ok(None) };
    if stat.size > MAX_DATABASE {
        return Err(LicenseError::TooManyLeases { path, max: MAX_DATABASE >> 20 });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(host.locate(&path)?, flags)?;
    database.busy_timeout(Duration::from_secs(10))?;
    // The first query takes the lock; the end of the connection releases it.
    database.execute_batch("BEGIN")?;
    database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    let copy = database.serialize("main")?.to_vec();
    Ok(Some(copy))
}

impl Backup {
    /// Reads the files to back up. The leases come from `leases`, a copy that the server does not
    /// write to.
    pub(crate) fn of(look: &dyn Look, leases: Option<Vec<u8>>) -> Result<Self, LicenseError> {
        let mut files = BTreeMap::new();
        for (name, part) in names().filter(|(name, _)| name != DATABASE) {
            match look.read_up_to(&path(&name), cap(&name))? {
                Some(bytes) => drop(files.insert(name, bytes)),
                None if part == Part::Needed => {
                    return Err(LicenseError::NothingToKeep(path(&name).into()));
                }
                None => {}
            }
        }
        files.extend(leases.map(|bytes| (DATABASE.to_owned(), bytes)));
        Ok(Self(files))
    }

    /// Returns the archive. The same contents give the same bytes.
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        for (name, bytes) in &self.0 {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o600);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, &**bytes)?;
        }
        tar.into_inner()
    }

    /// Reads an untrusted archive: accepts only expected names, each at most once, and limited
    /// sizes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, NoBackup> {
        let known: BTreeMap<_, _> = names().collect();
        let mut files = BTreeMap::new();
        for entry in Archive::new(bytes).entries()? {
            let entry = entry?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let regular = entry.header().entry_type() == EntryType::Regular;
            if !regular || !known.contains_key(&name) || files.contains_key(&name) {
                return Err(NoBackup::Stranger(name));
            }
            let (size, max) = (entry.size(), cap(&name));
            let mut content = Vec::new();
            entry.take(max + 1).read_to_end(&mut content)?;
            if size > max || content.len() as u64 > max {
                return Err(NoBackup::TooLarge(name));
            }
            files.insert(name, content);
        }
        for (name, part) in OTHERS {
            if part == Part::Needed && !files.contains_key(name) {
                return Err(NoBackup::Missing(name));
            }
        }
        let backup = Self(files);
        backup.service()?;
        Ok(backup)
    }

    /// Returns the service that the backup belongs to.
    pub(crate) fn service(&self) -> Result<Service, NoBackup> {
        Ok(serde_json::from_slice(self.0.get("service.json").map_or(&[], Vec::as_slice))?)
    }

    /// Returns the names of its files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the keys and certificates that guests depend on and that a restore would change.
    pub(crate) fn replaces(&self, look: &dyn Look) -> Result<Vec<HostPath>, LicenseError> {
        let mut others = Vec::new();
        let public = |name: &str| name == "web/root.crt" || name.starts_with("cert/");
        for (name, _) in names().filter(|(name, _)| public(name) && name != "cert/webserver.crt") {
            let here = look.read_up_to(&path(&name), cap(&name))?;
            if here.is_some() && here.as_ref() != self.0.get(&name) {
                others.push(path(&name).into());
            }
        }
        Ok(others)
    }

    /// Restores every file and deletes those that the backup does not have. The service must be
    /// stopped.
    pub(crate) fn put_back(&self, host: &mut dyn Host) -> Result<(), LicenseError> {
        let mut own = OwnState::of(host);
        for folder in [license(), data::cert(), data::database(), path("web")] {
            own.ensure_dir(&folder, folder_mode())?;
        }
        for (name, _) in names() {
            match self.0.get(&name) {
                Some(bytes) => own.replace(&path(&name), bytes, mode_of(&name))?,
                None => own.remove(&path(&name))?,
            }
        }
        // SQLite's journal files belong to the old database.
        for beside in ["-journal", "-wal", "-shm"] {
            own.remove(&path(&format!("{DATABASE}{beside}")))?;
        }
        Ok(())
    }
}

fn mode_of(name: &str) -> Mode {
    let is_public = ["cert/webserver.crt", "web/root.crt"].contains(&name);
    if is_public { Mode::FILE } else { private() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::MemHost;
    use crate::license::service::tests::service;

    fn host() -> MemHost {
        let mut host = MemHost::with_files(&[]);
        for (name, part) in names() {
            if part == Part::Needed || name.contains("si_") {
                host.place(path(&name).as_path().as_str(), &format!("the bytes of {name}"));
            }
        }
        let text = serde_json::to_string(&service()).unwrap();
        host.place(data::memory().as_path().as_str(), &text);
        host
    }

    #[test]
    fn what_was_kept_comes_back() {
        let mut host = host();
        let backup = Backup::of(&host, Some(b"leases".to_vec())).unwrap();
        let bytes = backup.to_bytes().unwrap();
        assert_eq!(Backup::parse(&bytes).unwrap(), backup);
        assert_eq!(backup.service().unwrap(), service());
        assert!(backup.replaces(&host).unwrap().is_empty());

        host.place(path("web/root.crt").as_path().as_str(), "another");
        host.place(path("cert/ca_certificate.pem").as_path().as_str(), "not in the backup");
        host.place(path(&format!("{DATABASE}-wal")).as_path().as_str(), "of another");
        let others = backup.replaces(&host).unwrap();
        let expected = ["cert/ca_certificate.pem", "web/root.crt"].map(|name| path(name).into());
        assert_eq!(others, expected);
        backup.put_back(&mut host).unwrap();
        assert_eq!(Backup::of(&host, Some(b"leases".to_vec())).unwrap(), backup);
        assert_eq!(host.text_of(path(DATABASE).as_path().as_str()).unwrap(), "leases");
        assert_eq!(host.text_of(path(&format!("{DATABASE}-wal")).as_path().as_str()), None);
    }

    #[test]
    fn half_a_backup_is_none() {
        let mut host = host();
        OwnState::of(&mut host).remove(&path("web/root.key")).unwrap();
        let error = Backup::of(&host, None).unwrap_err().to_string();
        assert!(error.contains("web/root.key"), "{error}");

        let whole = Backup::of(&self::host(), None).unwrap();
        for name in OTHERS.iter().filter(|(_, part)| *part == Part::Needed).map(|(name, _)| name) {
            let mut less = whole.clone();
            less.0.remove(*name);
            let error = Backup::parse(&less.to_bytes().unwrap()).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        let whole = Backup::of(&host(), None).unwrap();
        for name in ["cert/../../etc/passwd", "etc/passwd", "cert", "cert/other.pem"] {
            let mut more = whole.clone();
            more.0.insert("cert/webserver.crt".to_owned(), Vec::new());
            let mut bytes = more.to_bytes().unwrap();
            let at = bytes.windows(18).position(|w| w == b"cert/webserver.crt").unwrap();
            bytes[at..at + 100].fill(0);
            bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
            let sum: u32 = bytes[at..at + 512]
                .iter()
                .enumerate()
                .map(|(i, &b)| if (148..156).contains(&i) { 32 } else { u32::from(b) })
                .sum();
            bytes[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            let error = Backup::parse(&bytes).unwrap_err().to_string();
            assert!(error.contains("it has `"), "{name}: {error}");
        }
        for bad in [&b""[..], b"<html>", &[0; 1024]] {
            Backup::parse(bad).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = Backup::parse(&bytes);
        }
    }
}
