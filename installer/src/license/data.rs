//! The data of the license server that must not be lost: keys, certificates, leases.
//!
//! This data belongs to the operator, like the trusted keys. It is created once, never silently
//! replaced, and kept by an undo: after the loss of the root certificate, every guest would need
//! new files. It is not journaled, and only `license remove --discard` deletes it, after it lists
//! the losses.

use std::io;

use vgpu_manifest::{HostPath, Mode};

use super::LicenseError;
use super::certificate::{Certificate, Key, MAKE_KEY};
use super::service::Service;
use crate::host::own::{below_dir, fixed, folder_mode, license, private};
use crate::host::{
    Command, Host, HostError, Look, MAX_READ, Meta, Node, Output, OwnPath, OwnState, Source, Verb,
    Work,
};

#[cfg(test)]
mod tests;

#[must_use]
pub(crate) fn folder() -> OwnPath {
    license()
}

/// The owner of the folders that the service writes to, and of their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Root of the node.
    Root,
    /// Root of an unprivileged container, which is user 100000 on the node: Proxmox VE maps the
    /// first 65536 users of such a container there (`lxc-pve-userns.conf`).
    Contained,
}

impl Owner {
    /// Returns the user and group number on the node.
    fn number(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::Contained => 100_000,
        }
    }

    fn meta(self, mode: Mode) -> Meta {
        Meta { uid: self.number(), gid: self.number(), ..Meta::root(mode) }
    }
}

/// Returns the path of the record of the last installed service.
#[must_use]
pub(crate) fn memory() -> OwnPath {
    license().join("service.json")
}

/// Returns the folder that the service sees as `/app/cert`.
#[must_use]
pub(crate) fn cert() -> OwnPath {
    license().join("cert")
}

/// Returns the folder that the service sees as `/app/database`.
#[must_use]
pub(crate) fn database() -> OwnPath {
    license().join("database")
}

/// Returns the folder of the root certificate and its key. The service has no access to it.
fn web_folder() -> OwnPath {
    license().join("web")
}

/// Returns the path of the root certificate, by which guests verify the service.
#[must_use]
pub(crate) fn root_certificate() -> OwnPath {
    web_folder().join("root.crt")
}

fn root_key() -> OwnPath {
    web_folder().join("root.key")
}

/// The files that tokens and leases are signed with: the key pair of version 1, and the certificate
/// chain that version 2 creates at its first start.
pub(crate) const SIGNING: [&str; 8] = [
    "instance.private.pem",
    "instance.public.pem",
    "root_private_key.pem",
    "root_certificate.pem",
    "ca_private_key.pem",
    "ca_certificate.pem",
    "si_private_key.pem",
    "si_certificate.pem",
];

/// The certificates of the Bash script, and the lease database of its service in a Docker volume.
const SCRIPT_CERT: &str = "/opt/docker/fastapi-dls/cert";
const SCRIPT_DATABASE: &str = "/var/lib/docker/volumes/dls-db/_data/db.sqlite";

/// The result of `prepare`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// The paths of the created files.
    pub(crate) made: Vec<String>,
    /// The files that were copied from the Bash script's service.
    pub(crate) taken: Vec<HostPath>,
}

/// Creates missing files for a service at `names`, and keeps existing ones. Where commands do not
/// run, `openssl` is not available, and keys and certificates are left out.
///
/// The server certificate is the one exception: it follows from its keys, the names and the last
/// year, and is replaced when these change. Guests do not notice.
pub(crate) fn prepare(host: &mut dyn Host, service: &Service) -> Result<Prepared, LicenseError> {
    let mut prepared = Prepared::default();
    let root = root_of(host, service, &mut prepared.made)?;
    for path in [cert(), database()] {
        OwnState::of(host).ensure_dir(&path, folder_mode())?;
    }
    take_over(host, &mut prepared)?;
    let own = &mut prepared.made;
    let owner = service.engine.owner();
    if let Some(root) = root
        && let Some(key) = key(host, &cert().join("webserver.key"), None, own)?
    {
        let certificate = Certificate::web(&root, &key, &service.names, service.until);
        publish(host, &certificate, &cert().join("webserver.crt"), owner, own)?;
    }
    signing_pair(host, own)?;
    hand_over(host, owner)?;
    let memory_text =
        serde_json::to_vec(service).unwrap_or_else(|_| unreachable!("a service is plain data"));
    if host.read(&memory())?.as_ref() != Some(&memory_text) {
        OwnState::of(host).replace(&memory(), &memory_text, private())?;
    }
    Ok(prepared)
}

/// Creates the root certificate that guests trust, if it is missing. Returns false where commands
/// do not run and it cannot be created.
pub(crate) fn prepare_root(host: &mut dyn Host, service: &Service) -> Result<bool, LicenseError> {
    root_of(host, service, &mut Vec::new())?;
    Ok(host.stat(&root_certificate())?.is_some())
}

fn root_of(
    host: &mut dyn Host,
    service: &Service,
    made: &mut Vec<String>,
) -> Result<Option<Key>, LicenseError> {
    for path in [license(), web_folder()] {
        OwnState::of(host).ensure_dir(&path, folder_mode())?;
    }
    let Some(key) = key(host, &root_key(), Some(&root_certificate()), made)? else {
        return Ok(None);
    };
    let certificate = Certificate::root(&key, service.until);
    publish(host, &certificate, &root_certificate(), Owner::Root, made)?;
    Ok(Some(key))
}

/// Returns the key at `path`, and creates it if neither it nor the certificate that it signed
/// exists. Returns `None` where commands do not run.
fn key(
    host: &mut dyn Host,
    path: &OwnPath,
    signed: Option<&OwnPath>,
    made: &mut Vec<String>,
) -> Result<Option<Key>, LicenseError> {
    if host.stat(path)?.is_none() {
        if let Some(signed) = signed
            && host.stat(signed)?.is_some()
        {
            return Err(LicenseError::Lost {
                missing: path.clone().into(),
                signed: signed.clone().into(),
            });
        }
        if !make_secret(host, &MAKE_KEY, path)? {
            return Ok(None);
        }
        made.push(path.to_string());
    }
    Key::at(host, path).map_err(|source| LicenseError::Key { path: path.clone().into(), source })
}

const WORK: &str = "license";

/// Creates a file that only root may read with an `openssl` command. Returns false where commands
/// do not run.
///
/// The command writes to a private folder and not to a pipe, because the log records output from a
/// pipe.
fn make_secret(host: &mut dyn Host, words: &[&str], to: &OwnPath) -> Result<bool, HostError> {
    let mut work = Work::private(host, WORK)?;
    let out = work.path("secret").to_string();
    let [verb, more @ ..] = words else { unreachable!("a command of openssl has a name") };
    work.run(&Command::new("openssl", &[&[*verb, "-out", &out], more].concat()))?;
    adopt(host, "secret", to, Meta::root(private()))
}

/// Creates a certificate unless the existing one is valid and has the right owner.
fn publish(
    host: &mut dyn Host,
    certificate: &Certificate<'_>,
    path: &OwnPath,
    owner: Owner,
    made: &mut Vec<String>,
) -> Result<(), LicenseError> {
    let meta = owner.meta(Mode::FILE);
    let is_owned = matches!(host.node(path)?, Some(Node::File { meta: is, .. }) if is == meta);
    if is_owned && certificate.is_at(host, path, &root_certificate())? {
        return Ok(());
    }
    certificate.make(&mut Work::private(host, WORK)?, "certificate.pem", &root_certificate())?;
    if adopt(host, "certificate.pem", path, meta)? {
        made.push(path.to_string());
    }
    Ok(())
}

/// Moves a file of the work area to its place and clears the area. Returns false if the file was
/// not created.
fn adopt(host: &mut dyn Host, name: &str, to: &OwnPath, meta: Meta) -> Result<bool, HostError> {
    let from = Work::again(host, WORK).path(name);
    let content = host.node(&from)?.as_ref().and_then(Node::content);
    if let Some(content) = content {
        let node = Node::File { content, meta };
        OwnState::of(host).put(to, &node, Source::File(&from))?;
    }
    Work::again(host, WORK).done()?;
    Ok(content.is_some())
}

/// Creates the key pair that version 1 signs tokens with, by the node's own `openssl`. Version 2
/// ignores it.
fn signing_pair(host: &mut dyn Host, made: &mut Vec<String>) -> Result<(), LicenseError> {
    let [secret, public] = [SIGNING[0], SIGNING[1]].map(|name| cert().join(name));
    let is_there = |host: &dyn Host, path: &OwnPath| host.stat(path).map(|stat| stat.is_some());
    match (is_there(host, &secret)?, is_there(host, &public)?) {
        (false, true) => {
            return Err(LicenseError::Lost { missing: secret.into(), signed: public.into() });
        }
        (false, false) if make_secret(host, &["genrsa", "2048"], &secret)? => {
            made.push(secret.to_string());
        }
        (true, true) | (false, false) => return Ok(()),
        (true, false) => {}
    }
    let half = Command::new("openssl", &["rsa", "-pubout", "-in", secret.as_path().as_str()]);
    match host.query(&half)? {
        Some(output) if output.succeeded() => {
            OwnState::of(host).replace(&public, &output.stdout, Mode::FILE)?;
            made.push(public.to_string());
        }
        Some(Output { exit, stderr, .. }) => {
            let tail = String::from_utf8_lossy(&stderr).into_owned();
            return Err(HostError::Failed { command: half, exit, tail }.into());
        }
        None => {}
    }
    Ok(())
}

/// Gives the service's folders and their files to `owner`.
fn hand_over(host: &mut dyn Host, owner: Owner) -> Result<(), HostError> {
    for folder in [cert(), database()] {
        let names = host.list(&folder)?.unwrap_or_default();
        let files = names.iter().map(|name| folder.join(name)).collect::<Vec<_>>();
        for path in files.iter().chain([&folder]) {
            give(host, path, owner)?;
        }
    }
    Ok(())
}

fn give(host: &mut dyn Host, path: &OwnPath, owner: Owner) -> Result<(), HostError> {
    let mut node = host.node(path)?;
    let Some(Node::File { meta, .. } | Node::Dir { meta }) = &mut node else { return Ok(()) };
    let number = owner.number();
    if (meta.uid, meta.gid) == (number, number) {
        return Ok(());
    }
    (meta.uid, meta.gid) = (number, number);
    let Some(node) = &node else { return Ok(()) };
    let from = match node {
        Node::File { .. } => Source::File(path),
        _ => Source::Nowhere,
    };
    OwnState::of(host).put(path, node, from)
}

/// Copies keys and leases from the Bash script's service, if this node has none yet. The web
/// certificate of the script is left out, because it has no host name.
fn take_over(host: &mut dyn Host, prepared: &mut Prepared) -> Result<(), LicenseError> {
    if host.list(&cert())?.is_none_or(|names| !names.is_empty()) {
        return Ok(());
    }
    let pairs = SIGNING.map(|name| (below_dir(&fixed(SCRIPT_CERT), name), cert().join(name)));
    let leases = (fixed(SCRIPT_DATABASE), database().join("db.sqlite"));
    for (from, to) in pairs.into_iter().chain([leases]) {
        let Some(Node::File { content, .. }) = host.node(&from)? else { continue };
        let is_key = to.parent().as_ref() == Some(&*cert());
        if is_key && content.size > MAX_READ {
            let error = io::Error::other("too large for a key or a certificate");
            return Err(HostError::path(Verb::Read, &from, error).into());
        }
        let node = Node::File { content, meta: Meta::root(private()) };
        OwnState::of(host).put(&to, &node, Source::File(&from))?;
        prepared.taken.push(from);
    }
    Ok(())
}

/// Checks whether the token signing keys of either server version exist.
pub(crate) fn signs(look: &dyn Look) -> Result<bool, HostError> {
    let is_there = |name: &str| look.stat(&cert().join(name)).map(|stat| stat.is_some());
    Ok(is_there(SIGNING[0])? || is_there("si_private_key.pem")?)
}

/// Checks whether `license remove` leaves any data.
pub(crate) fn is_there(look: &dyn Look) -> Result<bool, HostError> {
    Ok(look.stat(&license())?.is_some())
}
