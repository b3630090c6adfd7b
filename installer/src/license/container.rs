//! The licence server as an unprivileged container of Proxmox VE's own, made from the image as it is.
//!
//! Proxmox VE makes containers from OCI archives since 9.1 (pve-container 6.0.15; a technology
//! preview). Such a container has an address of its own, starts before guests, and sees the two folders
//! that must not be lost. It is known again by a line in its description, so that nobody else's is ever
//! taken for it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::platform::PveRelease;
use vgpu_manifest::{Digest, HostPath};

use super::network::{Card, settings};
use super::{Service, data};
use crate::act::{Probe, Reversible};
use crate::facts::FileStorage;
use crate::host::{Command, HostError, Look};
use crate::state::below_dir;

/// The program that makes containers.
pub(super) const PCT: &str = "/usr/sbin/pct";

/// The first release that makes containers from images.
pub(crate) const SINCE: PveRelease = PveRelease::new(9, 1);

/// What the description of ours begins with. Proxmox VE writes it down as it is, in a line after `#`.
const MARK: &str = "vgpu-offline-license";

/// The number of a guest, 100 to 999999999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u32", try_from = "u32")]
pub(crate) struct Vmid(u32);

impl TryFrom<u32> for Vmid {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        let fits = (100..=999_999_999).contains(&number);
        fits.then_some(Self(number)).ok_or_else(|| format!("{number} is not the number of a guest"))
    }
}

impl FromStr for Vmid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().map_err(|_| {
            format!("`{}` is not the number of a guest: 100 to 999999999", text.escape_debug())
        });
        number.and_then(|number: u32| number.try_into())
    }
}

impl From<Vmid> for u32 {
    fn from(vmid: Vmid) -> Self {
        vmid.0
    }
}

impl fmt::Display for Vmid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a storage of Proxmox VE: a letter, then letters, digits, `-`, `_` or `.`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct StorageName(String);

impl FromStr for StorageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if begins && text.len() <= 100 && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{}` is not the name of a storage", text.escape_debug()))
        }
    }
}

impl fmt::Display for StorageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StorageName> for String {
    fn from(name: StorageName) -> Self {
        name.0
    }
}

impl TryFrom<String> for StorageName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A container of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Container {
    /// Its number.
    pub(crate) vmid: Vmid,
    /// Its network card.
    pub(crate) card: Card,
    /// Where its root file system is.
    pub(crate) storage: StorageName,
    /// The size of that, in GiB.
    pub(crate) size: u64,
    /// What Proxmox VE calls the storage of the archive that it is made from.
    pub(crate) template_storage: StorageName,
    /// The folder of that storage.
    pub(crate) template_folder: HostPath,
}

/// The least that a container's root file system gets, in GiB: as much as the server's page asks for.
const LEAST: u64 = 4;

/// The size of a root file system for what an archive of `bytes` unpacks to.
pub(super) fn size_for(bytes: u64) -> u64 {
    LEAST.max((bytes.saturating_mul(3) >> 30) + 1)
}

impl Container {
    /// Where the archive goes that it is made from. Proxmox VE looks into none that does not end so.
    #[must_use]
    pub(crate) fn template(&self, image: Digest) -> HostPath {
        below_dir(&self.template_folder, &template_name(image))
    }

    fn conf(&self) -> HostPath {
        settings(self.vmid)
    }

    /// Whether the container with this number is one of ours.
    pub(crate) fn is_ours(&self, look: &dyn Look) -> Result<bool, HostError> {
        let text = look.text(&self.conf())?.unwrap_or_default();
        Ok(text
            .lines()
            .any(|line| line.strip_prefix('#').and_then(|line| line.strip_prefix(MARK)).is_some()))
    }

    /// Whether it runs.
    pub(crate) fn runs(&self, look: &dyn Look) -> Result<bool, HostError> {
        let asked = Command::new(PCT, &["status", &self.vmid.to_string()]);
        let said = look.query(&asked)?.filter(crate::host::Output::succeeded);
        Ok(said.is_some_and(|output| output.stdout.trim_ascii() == b"status: running"))
    }

    /// Start it for a moment, or let it run on.
    #[must_use]
    pub(crate) fn start(&self) -> Command {
        Command::new(PCT, &["start", &self.vmid.to_string()])
    }

    /// Stop it: first it is asked to, then made to.
    #[must_use]
    pub(crate) fn stop(&self) -> Command {
        let vmid = self.vmid.to_string();
        Command::new(PCT, &["shutdown", &vmid, "--timeout", "30", "--forceStop", "1"])
    }

    fn destroy(&self) -> Command {
        Command::new(PCT, &["destroy", &self.vmid.to_string(), "--force", "1", "--purge", "1"])
    }
}

fn template_name(image: Digest) -> String {
    format!("{MARK}-{}.tar", &image.to_string()[..16])
}

/// A service in a container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contained<'s> {
    service: &'s Service,
    container: &'s Container,
}

impl Service {
    /// Its container, if it runs in one of Proxmox VE's.
    #[must_use]
    pub(crate) fn contained(&self) -> Option<Contained<'_>> {
        Some(Contained { service: self, container: self.container.as_deref()? })
    }
}

impl Contained<'_> {
    /// The container.
    #[must_use]
    pub(crate) fn container(&self) -> &Container {
        self.container
    }

    /// The archive that it is made from, where Proxmox VE finds it.
    #[must_use]
    pub(crate) fn template(&self) -> HostPath {
        self.container.template(self.service.image)
    }

    /// What it is made of, without what it is known by.
    fn words(&self) -> Vec<String> {
        let Container { vmid, card, storage, size, template_storage, .. } = self.container;
        let template = format!("{template_storage}:vztmpl/{}", template_name(self.service.image));
        let pairs = [
            ("--hostname", "vgpu-license".to_owned()),
            ("--unprivileged", "1".to_owned()),
            ("--memory", "256".to_owned()),
            ("--swap", "0".to_owned()),
            ("--rootfs", format!("{storage}:{size}")),
            ("--mp0", format!("{},mp=/app/cert", data::cert())),
            ("--mp1", format!("{},mp=/app/database", data::database())),
            ("--net0", card.words()),
            ("--onboot", "1".to_owned()),
            ("--startup", "order=1,up=10".to_owned()),
        ];
        let mut words = vec!["create".to_owned(), vmid.to_string(), template];
        words.extend(pairs.into_iter().flat_map(|(key, value)| [key.to_owned(), value]));
        words
    }

    /// What runs in it. `env` of the image gives the server what it is to know, and leaves what the
    /// image itself says: a list of variables does not go through a command line, because Proxmox VE
    /// separates them by NUL.
    fn entrypoint(&self) -> String {
        let mut words = vec!["/usr/bin/env".to_owned()];
        words.extend(self.service.environment());
        words.extend(self.service.server_words(self.container.card.everywhere()));
        words.join(" ")
    }

    /// The line that tells this very container, made like this, from all others.
    fn description(&self) -> String {
        let all = [self.words().join(" "), self.entrypoint(), self.service.image.to_string()];
        format!("{MARK} {}", &Digest::of(all.join("\n").as_bytes()).to_string()[..16])
    }

    /// Whether it is there, and made like this. A container with the same number is not enough.
    fn is_there(&self) -> Command {
        let line = format!("--regexp=#{}", self.description());
        let conf = self.container.conf();
        let path = conf.as_path().as_str();
        Command::new("grep", &["--quiet", "--line-regexp", "--fixed-strings", &line, path])
    }

    /// The same, as a look.
    pub(crate) fn is_made(&self, look: &dyn Look) -> Result<bool, HostError> {
        let text = look.text(&self.container.conf())?.unwrap_or_default();
        let line = format!("#{}", self.description());
        Ok(text.lines().any(|it| it == line))
    }

    fn create_command(&self) -> Command {
        let mut words = self.words();
        words.extend(["--description".to_owned(), self.description()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Command::new(PCT, &words)
    }

    fn set_command(&self) -> Command {
        let vmid = self.container.vmid.to_string();
        Command::new(PCT, &["set", &vmid, "--entrypoint", &self.entrypoint()])
    }

    /// Make it. Its undo destroys it only if it is this very one.
    #[must_use]
    pub(crate) fn create(&self) -> Reversible {
        let probe = Probe::Succeeds(self.is_there());
        reversible(self.create_command(), probe, Some(self.container.destroy()))
    }

    /// Say what runs in it; with it, this goes.
    #[must_use]
    pub(crate) fn set_entrypoint(&self) -> Reversible {
        reversible(self.set_command(), Probe::Succeeds(self.is_there()), None)
    }

    /// Start it.
    #[must_use]
    pub(crate) fn start(&self) -> Reversible {
        reversible(self.container.start(), Probe::Succeeds(self.is_there()), None)
    }

    /// Stop it, to start it again or to destroy it.
    #[must_use]
    pub(crate) fn stop(&self) -> Reversible {
        reversible(self.container.stop(), Probe::Succeeds(self.is_there()), None)
    }

    /// Destroy it, so that another takes its place. An undo makes it again and says what runs in it,
    /// the last first; `revert` starts it.
    #[must_use]
    pub(crate) fn give_way(&self) -> [Reversible; 2] {
        let vmid = self.container.vmid.to_string();
        let hold = Command::new(PCT, &["set", &vmid, "--onboot", "0"]);
        let conf = self.container.conf();
        let gone = Command::new("test", &["!", "-e", conf.as_path().as_str()]);
        [
            reversible(hold, Probe::Succeeds(self.is_there()), Some(self.set_command())),
            reversible(
                self.container.destroy(),
                Probe::Succeeds(gone),
                Some(self.create_command()),
            ),
        ]
    }
}

fn reversible(command: Command, probe: Probe, undo: Option<Command>) -> Reversible {
    Reversible { undo, ..Reversible::new(command, probe) }
}

impl Container {
    /// The storage for archives of containers.
    pub(super) fn templates(look: &dyn Look) -> Result<Option<(StorageName, HostPath)>, HostError> {
        let found = FileStorage::for_templates(look)?;
        Ok(found.and_then(|it| Some((it.name.parse().ok()?, it.folder))))
    }
}
