//! The license server as an unprivileged container of Proxmox VE, made from the unmodified image.
//!
//! Proxmox VE makes containers from OCI archives since 9.1 (pve-container 6.0.15; a technology
//! preview). Such a container has its own address, starts before guests, and mounts the two folders
//! with persistent data. A line in its description identifies it, so that a third-party container
//! is never mistaken for it.

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

/// The program that manages containers.
pub(super) const PCT: &str = "/usr/sbin/pct";

/// The first release that makes containers from images.
pub(crate) const SINCE: PveRelease = PveRelease::new(9, 1);

/// The prefix of the identifying description. Proxmox VE writes the description to the settings
/// file unchanged, in a line after `#`.
const MARK: &str = "vgpu-offline-license";

/// The number of a guest, 100 to 999999999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "u32", try_from = "u32")]
pub(crate) struct Vmid(u32);

impl TryFrom<u32> for Vmid {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        let fits = (100..=999_999_999).contains(&number);
        fits.then_some(Self(number)).ok_or_else(|| format!("{number} is not a guest number"))
    }
}

impl FromStr for Vmid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().map_err(|_| {
            format!("`{}` is not a guest number (100 to 999999999)", text.escape_debug())
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

/// The name of a Proxmox VE storage: a letter, then letters, digits, `-`, `_` or `.`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
            Err(format!("`{}` is not a storage name", text.escape_debug()))
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

/// A container that the installer manages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Container {
    pub(crate) vmid: Vmid,
    /// Its network interface.
    pub(crate) card: Card,
    /// The storage of its root file system.
    pub(crate) storage: StorageName,
    /// The size of its root file system in GiB.
    pub(crate) size: u64,
    /// The name of the storage that holds its archive.
    pub(crate) template_storage: StorageName,
    /// The folder of that storage.
    pub(crate) template_folder: HostPath,
}

/// The smallest root file system in GiB, as the documentation of the server asks for.
const LEAST: u64 = 4;

/// Returns the size in GiB of a root file system for an archive of `bytes`.
pub(super) fn size_for(bytes: u64) -> u64 {
    LEAST.max((bytes.saturating_mul(3) >> 30) + 1)
}

impl Container {
    /// Returns the path of its archive. Proxmox VE ignores archives with another file name
    /// extension.
    #[must_use]
    pub(crate) fn template(&self, image: Digest) -> HostPath {
        below_dir(&self.template_folder, &template_name(image))
    }

    fn conf(&self) -> HostPath {
        settings(self.vmid)
    }

    /// Checks whether the installer manages the container with this number.
    pub(crate) fn is_ours(&self, look: &dyn Look) -> Result<bool, HostError> {
        let text = look.text(&self.conf())?.unwrap_or_default();
        Ok(text
            .lines()
            .any(|line| line.strip_prefix('#').and_then(|line| line.strip_prefix(MARK)).is_some()))
    }

    /// Checks whether it runs.
    pub(crate) fn runs(&self, look: &dyn Look) -> Result<bool, HostError> {
        let asked = Command::new(PCT, &["status", &self.vmid.to_string()]);
        let status = look.query(&asked)?.filter(crate::host::Output::succeeded);
        Ok(status.is_some_and(|output| output.stdout.trim_ascii() == b"status: running"))
    }

    /// Returns the command that starts it.
    #[must_use]
    pub(crate) fn start(&self) -> Command {
        Command::new(PCT, &["start", &self.vmid.to_string()])
    }

    /// Returns the command that stops it, by force after 30 seconds.
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
    /// Returns its container, if it runs in one of Proxmox VE.
    #[must_use]
    pub(crate) fn contained(&self) -> Option<Contained<'_>> {
        Some(Contained { service: self, container: self.container.as_deref()? })
    }
}

impl Contained<'_> {
    #[must_use]
    pub(crate) fn container(&self) -> &Container {
        self.container
    }

    /// Returns the path of its archive in a storage of Proxmox VE.
    #[must_use]
    pub(crate) fn template(&self) -> HostPath {
        self.container.template(self.service.image)
    }

    /// Returns the arguments of `pct create` without the description.
    ///
    /// There are no mount points among them: `pct create` mounts those first and then extracts the
    /// image through them, so that files and whiteouts of the image replace or empty what the node
    /// has there (pve-container 6.1.10, `API2/LXC.pm` 548-558; proxmox-oci 0.2.1, `lib.rs` 305).
    fn words(&self) -> Vec<String> {
        let Container { vmid, card, storage, size, template_storage, .. } = self.container;
        let template = format!("{template_storage}:vztmpl/{}", template_name(self.service.image));
        let pairs = [
            ("--hostname", "vgpu-license".to_owned()),
            ("--unprivileged", "1".to_owned()),
            ("--memory", "256".to_owned()),
            ("--swap", "0".to_owned()),
            ("--rootfs", format!("{storage}:{size}")),
            ("--net0", card.words()),
            ("--startup", "order=1,up=10".to_owned()),
        ];
        let words = vec!["create".to_owned(), vmid.to_string(), template];
        words.into_iter().chain(flat(pairs)).collect()
    }

    /// Returns the arguments of `pct set` that complete a created container. Only now it starts with
    /// the node: after a power cut before this, it would run the image's own command on an empty
    /// database.
    fn more_words(&self) -> Vec<String> {
        let pairs = [
            ("--mp0", format!("{},mp=/app/cert", data::cert())),
            ("--mp1", format!("{},mp=/app/database", data::database())),
            ("--entrypoint", self.entrypoint()),
            ("--onboot", "1".to_owned()),
        ];
        let words = vec!["set".to_owned(), self.container.vmid.to_string()];
        words.into_iter().chain(flat(pairs)).collect()
    }

    /// Returns the command line of the container. `env` in the image sets the server's variables
    /// and keeps those of the image. The option of `pct` for variables cannot be used: it expects
    /// them separated by NUL, which no command line can contain.
    fn entrypoint(&self) -> String {
        let mut words = vec!["/usr/bin/env".to_owned()];
        words.extend(self.service.environment());
        words.extend(self.service.server_words(self.container.card.everywhere()));
        words.join(" ")
    }

    /// Returns the description, with a digest that identifies a container with exactly these
    /// settings.
    fn description(&self) -> String {
        let all = [self.words(), self.more_words(), vec![self.service.image.to_string()]];
        let all = all.map(|words| words.join(" "));
        format!("{MARK} {}", &Digest::of(all.join("\n").as_bytes()).to_string()[..16])
    }

    /// Returns the command that checks whether the container exists with these settings. The same
    /// number alone is not enough.
    fn is_there(&self) -> Command {
        let line = format!("--regexp=#{}", self.description());
        let conf = self.container.conf();
        let path = conf.as_path().as_str();
        Command::new("grep", &["--quiet", "--line-regexp", "--fixed-strings", &line, path])
    }

    /// Checks the same without running a command.
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
        let words = self.more_words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Command::new(PCT, &words)
    }

    /// Returns the step that creates it. The undo destroys it only if the description still
    /// matches.
    #[must_use]
    pub(crate) fn create(&self) -> Reversible {
        let probe = Probe::Succeeds(self.is_there());
        reversible(self.create_command(), probe, Some(self.container.destroy()))
    }

    /// Returns the step that adds its mount points and its command line. It needs no undo of its own.
    #[must_use]
    pub(crate) fn complete(&self) -> Reversible {
        reversible(self.set_command(), Probe::Succeeds(self.is_there()), None)
    }

    #[must_use]
    pub(crate) fn start(&self) -> Reversible {
        reversible(self.container.start(), Probe::Succeeds(self.is_there()), None)
    }

    #[must_use]
    pub(crate) fn stop(&self) -> Reversible {
        reversible(self.container.stop(), Probe::Succeeds(self.is_there()), None)
    }

    /// Returns the steps that destroy it, to make room for its successor. An undo runs in reverse
    /// order: it creates the container again, then completes it; `revert` starts it.
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

fn flat<const N: usize>(pairs: [(&str, String); N]) -> impl Iterator<Item = String> {
    pairs.into_iter().flat_map(|(key, value)| [key.to_owned(), value])
}

fn reversible(command: Command, probe: Probe, undo: Option<Command>) -> Reversible {
    Reversible { undo, ..Reversible::new(command, probe) }
}

impl Container {
    /// Returns the storage for container archives.
    pub(super) fn templates(look: &dyn Look) -> Result<Option<(StorageName, HostPath)>, HostError> {
        let found = FileStorage::for_templates(look)?;
        Ok(found.and_then(|it| Some((it.name.parse().ok()?, it.folder))))
    }
}
