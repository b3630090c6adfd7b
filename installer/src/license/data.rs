//! What the licence server has and must not lose: keys, certificates, leases.
//!
//! It belongs to the operator, as trust does: it is made once, never again behind anybody's back, and
//! an undo leaves it. Whoever loses the root has to touch every guest. So it is not journaled, and
//! only `license remove --discard` takes it away, after saying what is lost.

use std::io;

use vgpu_manifest::{HostPath, Mode};
use zeroize::Zeroizing;

use super::LicenseError;
use super::certificate::{Key, root, web};
use super::service::Service;
use crate::host::own::{below_dir, fixed, folder_mode, license, private};
use crate::host::{
    Command, Content, Host, HostError, Look, MAX_READ, Meta, Node, OwnPath, OwnState, Source, Verb,
    Work,
};

#[cfg(test)]
mod tests;

/// The folder of it all.
#[must_use]
pub fn folder() -> OwnPath {
    license()
}

/// Whose the folders are that the service writes to, and all in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The node's own root.
    Root,
    /// Root of an unprivileged container, who on the node is user 100000: Proxmox VE maps the first
    /// 65536 users of such a container so (`lxc-pve-userns.conf`).
    Contained,
}

impl Owner {
    /// The number by which the node knows user and group.
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

/// Which service was set up here last.
#[must_use]
pub fn memory() -> OwnPath {
    license().join("service.json")
}

/// What the service itself sees as `/app/cert`.
#[must_use]
pub fn cert() -> OwnPath {
    license().join("cert")
}

/// What the service itself sees as `/app/database`.
#[must_use]
pub fn database() -> OwnPath {
    license().join("database")
}

/// The root that guests are told, which signs the certificate for the web. Not for the service.
fn web_folder() -> OwnPath {
    license().join("web")
}

/// The certificate that guests check the service by.
#[must_use]
pub fn root_certificate() -> OwnPath {
    web_folder().join("root.crt")
}

fn root_key() -> OwnPath {
    web_folder().join("root.key")
}

/// The names in the folder of certificates that guests and their tokens depend on: what version 1
/// signs with, and the chain that version 2 makes for itself when it first starts.
pub const SIGNING: [&str; 8] = [
    "instance.private.pem",
    "instance.public.pem",
    "root_private_key.pem",
    "root_certificate.pem",
    "ca_private_key.pem",
    "ca_certificate.pem",
    "si_private_key.pem",
    "si_certificate.pem",
];

/// Where the Bash script keeps its certificates, and Docker the leases of its service.
const SCRIPT_CERT: &str = "/opt/docker/fastapi-dls/cert";
const SCRIPT_DATABASE: &str = "/var/lib/docker/volumes/dls-db/_data/db.sqlite";

/// What `prepare` did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The files that were made, by their names.
    pub made: Vec<String>,
    /// The files that were taken over from the Bash script's service.
    pub taken: Vec<HostPath>,
}

/// Make what is missing for a service at `names`; what is there stays.
///
/// The certificate for the web is the one exception: it follows from its keys, the names and the last
/// year, and is written again when these have changed, which no guest notices.
pub fn prepare(host: &mut dyn Host, service: &Service) -> Result<Prepared, LicenseError> {
    let (names, last_year) = (&service.names, service.until);
    let mut prepared = Prepared::default();
    let ca = root_of(host, service, &mut prepared)?;
    for path in [cert(), database()] {
        OwnState::of(host).ensure_dir(&path, folder_mode())?;
    }
    take_over(host, &mut prepared)?;
    let web_key = key(host, &cert().join("webserver.key"), None, &mut prepared)?;
    let own = &mut prepared.made;
    let certificate = web(&ca, &web_key, names, last_year)?;
    let owner = service.engine.owner();
    publish(host, &cert().join("webserver.crt"), (&certificate, owner), own)?;
    signing_pair(host, own)?;
    hand_over(host, owner)?;
    let memory_text =
        serde_json::to_vec(service).unwrap_or_else(|_| unreachable!("a service is plain data"));
    if host.read(&memory())?.as_ref() != Some(&memory_text) {
        OwnState::of(host).replace(&memory(), &memory_text, private())?;
    }
    Ok(prepared)
}

/// Make the root that guests believe the service by, if it is not there.
pub fn prepare_root(host: &mut dyn Host, service: &Service) -> Result<(), LicenseError> {
    root_of(host, service, &mut Prepared::default()).map(drop)
}

fn root_of(
    host: &mut dyn Host,
    service: &Service,
    prepared: &mut Prepared,
) -> Result<Key, LicenseError> {
    for path in [license(), web_folder()] {
        OwnState::of(host).ensure_dir(&path, folder_mode())?;
    }
    let ca = key(host, &root_key(), Some(&root_certificate()), prepared)?;
    let certificate = root(&ca, service.until)?;
    publish(host, &root_certificate(), (&certificate, Owner::Root), &mut prepared.made)?;
    Ok(ca)
}

/// The key at `path`, which is made if neither it nor what it has signed is there.
fn key(
    host: &mut dyn Host,
    path: &OwnPath,
    signed: Option<&OwnPath>,
    prepared: &mut Prepared,
) -> Result<Key, LicenseError> {
    if let Some(bytes) = host.read(path)? {
        let pem = Zeroizing::new(String::from_utf8(bytes).unwrap_or_default());
        return Key::parse(&pem)
            .map_err(|source| LicenseError::Key { path: path.clone().into(), source });
    }
    if let Some(signed) = signed
        && host.stat(signed)?.is_some()
    {
        return Err(LicenseError::Lost {
            missing: path.clone().into(),
            signed: signed.clone().into(),
        });
    }
    let key = Key::generate()?;
    OwnState::of(host).replace(path, key.to_pem()?.as_bytes(), private())?;
    prepared.made.push(path.to_string());
    Ok(key)
}

/// Write a certificate, if it is not there as it is to be.
fn publish(
    host: &mut dyn Host,
    path: &OwnPath,
    (text, owner): (&str, Owner),
    made: &mut Vec<String>,
) -> Result<(), LicenseError> {
    let bytes = text.as_bytes();
    let node = Node::File { content: Content::of(bytes), meta: owner.meta(Mode::FILE) };
    if host.node(path)?.as_ref() != Some(&node) {
        OwnState::of(host).put(path, &node, Source::Bytes(bytes))?;
        made.push(path.to_string());
    }
    Ok(())
}

/// The pair that version 1 signs tokens with: RSA, by the node's own `openssl`. Version 2 ignores it.
fn signing_pair(host: &mut dyn Host, made: &mut Vec<String>) -> Result<(), LicenseError> {
    let [secret, public] = [SIGNING[0], SIGNING[1]].map(|name| cert().join(name));
    let is_there = |host: &dyn Host, path: &OwnPath| host.stat(path).map(|stat| stat.is_some());
    match (is_there(host, &secret)?, is_there(host, &public)?) {
        (true, true) => return Ok(()),
        (false, true) => {
            return Err(LicenseError::Lost { missing: secret.into(), signed: public.into() });
        }
        (false, false) => {
            let Some(pem) = said(host, &Command::new("openssl", &["genrsa", "2048"]))? else {
                return Ok(());
            };
            OwnState::of(host).replace(&secret, &pem, private())?;
            made.push(secret.to_string());
        }
        (true, false) => {}
    }
    let half = Command::new("openssl", &["rsa", "-pubout", "-in", secret.as_path().as_str()]);
    if let Some(pem) = said(host, &half)? {
        OwnState::of(host).replace(&public, &pem, Mode::FILE)?;
        made.push(public.to_string());
    }
    Ok(())
}

/// Give the folders that the service writes to, and the files in them, to whom they have to belong.
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

/// What a command that changes nothing says; `None` where commands do not run, as in a rehearsal.
fn said(host: &mut dyn Host, command: &Command) -> Result<Option<Zeroizing<Vec<u8>>>, HostError> {
    match Work::again(host, "license").ask(command)? {
        None => Ok(None),
        Some(output) if output.succeeded() => Ok(Some(Zeroizing::new(output.stdout))),
        Some(output) => Err(HostError::Failed {
            command: command.clone(),
            exit: output.exit,
            tail: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
    }
}

/// Copy what tokens depend on from the service of the Bash script, before there is anything of ours.
/// Its web certificate holds for no name, so that one is not wanted.
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
            let error = io::Error::other("far too large for a key or a certificate");
            return Err(HostError::path(Verb::Read, &from, error).into());
        }
        let node = Node::File { content, meta: Meta::root(private()) };
        OwnState::of(host).put(&to, &node, Source::File(&from))?;
        prepared.taken.push(from);
    }
    Ok(())
}

/// Whether there is what one of the two versions of the server signs tokens with.
pub fn signs(look: &dyn Look) -> Result<bool, HostError> {
    let is_there = |name: &str| look.stat(&cert().join(name)).map(|stat| stat.is_some());
    Ok(is_there(SIGNING[0])? || is_there("si_private_key.pem")?)
}

/// Whether there is anything that `license remove` leaves.
pub fn is_there(look: &dyn Look) -> Result<bool, HostError> {
    Ok(look.stat(&license())?.is_some())
}
