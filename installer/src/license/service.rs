//! The license server as a systemd service of the node: engine, address, permissions.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use vgpu_manifest::image::ImageReference;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::RootFs;
use vgpu_manifest::{Digest, HostPath, ItemName};

use super::address::GuestHost;
use super::container::{Container, PCT};
use super::data::{self, Owner};
use super::placement::makes_containers;
use crate::act::{Probe, Reversible};
use crate::host::{Command, Content};
use crate::state::{below_dir, fixed, license};

pub(crate) const UNIT: &str = crate::state::LICENSE_UNIT;

/// The name of the container.
const CONTAINER: &str = "vgpu-offline-license";

/// The default port of the license server, as in the Bash script.
pub(crate) const DEFAULT_PORT: NonZeroU16 = NonZeroU16::new(8443).unwrap();

/// A TCP port, 1 to 65535.
pub(crate) type Port = NonZeroU16;

/// The engine that runs the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    /// Podman, with image storage reserved for the license server
    Podman,
    /// Docker, only where it is installed already
    Docker,
    /// Unprivileged container of Proxmox VE 9.1 or later, with its own address
    Lxc,
}

impl Engine {
    #[must_use]
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Podman => "/usr/bin/podman",
            Self::Docker => "/usr/bin/docker",
            Self::Lxc => PCT,
        }
    }

    /// Checks whether it is on the node.
    #[must_use]
    pub(crate) fn is_here(self, facts: &Inventory) -> bool {
        let packages: &[&str] = match self {
            Self::Podman => &["podman"],
            Self::Docker => &["docker.io", "docker-ce"],
            Self::Lxc => return makes_containers(facts),
        };
        facts.packages.iter().any(|package| packages.contains(&package.name.as_str()))
    }

    /// Returns the default engine: a container of Proxmox VE if the release supports it; Docker
    /// where only that is installed; else podman. The installer never adds Docker, because its
    /// firewall rules cut off guests on bridges.
    #[must_use]
    pub(crate) fn fitting(facts: &Inventory) -> Self {
        let docker = Self::Docker.is_here(facts) && !Self::Podman.is_here(facts);
        match docker {
            _ if Self::Lxc.is_here(facts) => Self::Lxc,
            true => Self::Docker,
            false => Self::Podman,
        }
    }

    /// Returns the owner of the folders that the server writes to.
    #[must_use]
    pub(crate) fn owner(self) -> Owner {
        match self {
            Self::Podman | Self::Docker => Owner::Root,
            Self::Lxc => Owner::Contained,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
            Self::Lxc => "lxc",
        })
    }
}

/// The podman storage driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Storage {
    /// Layers mounted by the kernel's overlay file system.
    Overlay,
    /// Copied layers. On ZFS, podman would otherwise create datasets in the root pool.
    Vfs,
}

impl Storage {
    /// Returns the driver for this root file system.
    #[must_use]
    pub(crate) fn fitting(facts: &Inventory) -> Self {
        if facts.root.kind == Some(RootFs::Zfs) { Self::Vfs } else { Self::Overlay }
    }

    fn driver(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Vfs => "vfs",
        }
    }
}

/// A license server on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Service {
    /// The address or name that guests use.
    pub(crate) host: GuestHost,
    /// The only address at which it listens.
    pub(crate) listen: IpAddr,
    /// The port, for guests and on the node.
    pub(crate) port: Port,
    pub(crate) engine: Engine,
    pub(crate) storage: Storage,
    /// The bundle item with its image.
    pub(crate) item: ItemName,
    /// The content of the item, by which the store finds it.
    pub(crate) content: Content,
    /// The name of the image.
    pub(crate) reference: ImageReference,
    /// The digest of the image configuration, by which the engine runs it.
    pub(crate) image: Digest,
    /// The names and addresses in its certificate.
    pub(crate) names: Vec<GuestHost>,
    /// The last year in which its certificates are valid.
    pub(crate) until: i32,
    /// Its container, if Proxmox VE runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<Box<Container>>,
}

impl Service {
    /// Returns the URL without a path: `https://192.0.2.10:8443`.
    #[must_use]
    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.host.in_url(), self.port)
    }

    #[must_use]
    pub(crate) fn unit_path() -> HostPath {
        fixed(&format!("/etc/systemd/system/{UNIT}"))
    }

    /// Returns the arguments that every engine command starts with.
    fn words(&self) -> Vec<String> {
        let mut words = vec![self.engine.program().to_owned()];
        if self.engine == Engine::Podman {
            let containers = below_dir(&license(), "containers");
            words.push(format!("--root={containers}"));
            words.push(format!("--runroot=/run/{CONTAINER}"));
            words.push(format!("--storage-driver={}", self.storage.driver()));
        }
        words
    }

    fn command(&self, more: &[&str]) -> Command {
        let words = self.words();
        let words: Vec<&str> =
            words.iter().skip(1).map(String::as_str).chain(more.iter().copied()).collect();
        Command::new(self.engine.program(), &words)
    }

    /// Returns the command that checks whether podman or Docker has the image.
    #[must_use]
    pub(crate) fn image_is_there(&self) -> Command {
        let id = self.image.to_string();
        if self.engine == Engine::Podman {
            self.command(&["image", "exists", &id])
        } else {
            self.command(&["image", "inspect", &format!("sha256:{id}")])
        }
    }

    /// Returns the step that loads the image from the store into the engine.
    #[must_use]
    pub(crate) fn load(&self) -> Reversible {
        let item = crate::state::stored(self.content.id);
        let id = self.image.to_string();
        let load = self.command(&["load", "--quiet", "--input", item.as_path().as_str()]);
        Reversible {
            undo: Some(self.command(&["image", "rm", "--force", &id])),
            ..Reversible::new(load, Probe::Succeeds(self.image_is_there()))
        }
    }

    /// Returns the arguments that run the container.
    ///
    /// The container shares the node's network, so neither forwarding nor NAT changes, and listens
    /// at one address. Its root file system is read-only; only the data folders are writable.
    fn run_words(&self) -> Vec<String> {
        let mut words = self.words();
        let folders = [(data::cert(), "/app/cert"), (data::database(), "/app/database")];
        for word in ["run", "--rm", "--name", CONTAINER, "--pull=never", "--network=host"] {
            words.push(word.to_owned());
        }
        for word in ["--read-only", "--tmpfs=/tmp", "--security-opt=no-new-privileges"] {
            words.push(word.to_owned());
        }
        words.push("--cap-drop=all".to_owned());
        if self.port.get() < 1024 {
            words.push("--cap-add=NET_BIND_SERVICE".to_owned());
        }
        words.push("--memory=256m".to_owned());
        words.extend(folders.map(|(from, to)| format!("--volume={from}:{to}")));
        words.extend(self.environment().map(|variable| format!("--env={variable}")));
        words.push("--entrypoint=uvicorn".to_owned());
        words.push(format!("sha256:{}", self.image));
        words.extend(self.server_words(self.listen).into_iter().skip(1));
        words
    }

    /// Returns the environment variables of the server.
    pub(super) fn environment(&self) -> [String; 3] {
        [
            format!("DLS_URL={}", self.host.in_url()),
            format!("DLS_PORT={}", self.port),
            "DATABASE=sqlite:////app/database/db.sqlite".to_owned(),
        ]
    }

    /// Returns the server's command line, to listen at this address.
    pub(super) fn server_words(&self, listen: IpAddr) -> [String; 8] {
        [
            "uvicorn".to_owned(),
            "main:app".to_owned(),
            format!("--host={listen}"),
            format!("--port={}", self.port),
            "--app-dir=/app".to_owned(),
            "--proxy-headers".to_owned(),
            "--ssl-keyfile=/app/cert/webserver.key".to_owned(),
            "--ssl-certfile=/app/cert/webserver.crt".to_owned(),
        ]
    }

    /// Returns the text of the unit, which starts after the network and before guests. Podman and
    /// Docker need it; Proxmox VE starts its own containers.
    #[must_use]
    pub(crate) fn unit_text(&self) -> String {
        let docker = self.engine == Engine::Docker;
        // Docker has no `--ignore`: the command fails if the container does not exist, and the
        // leading dash makes systemd ignore that.
        let ignore: &[&str] = if docker { &[] } else { &["--ignore"] };
        let clear = self.line(&[&["rm", "--force"], ignore, &[CONTAINER]].concat());
        let stop = self.line(&["stop", "--time=10", CONTAINER]);
        let (after, requires) = if docker {
            ("network-online.target docker.service", "Requires=docker.service\n")
        } else {
            ("network-online.target", "")
        };
        format!(
            "# The license server for guests; to remove it, run `vgpu-installer license remove`.\n\
             [Unit]\n\
             Description=License server for vGPU guests ({reference})\n\
             Wants=network-online.target\n\
             After={after}\n\
             {requires}\
             Before=pve-guests.service\n\
             \n\
             [Service]\n\
             ExecStartPre=-{clear}\n\
             ExecStart={run}\n\
             ExecStop=-{stop}\n\
             Restart=on-failure\n\
             RestartSec=10\n\
             TimeoutStopSec=30\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n",
            reference = self.reference,
            run = self.run_words().join(" "),
        )
    }

    fn line(&self, more: &[&str]) -> String {
        let words = self.words();
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain(more.iter().copied()).collect();
        words.join(" ")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::host::Content;

    /// A typical service.
    pub(crate) fn service() -> Service {
        let host: GuestHost = "192.0.2.10".parse().unwrap();
        Service {
            listen: "192.0.2.10".parse().unwrap(),
            port: DEFAULT_PORT,
            engine: Engine::Podman,
            storage: Storage::Vfs,
            item: "licensing/dls.tar".parse().unwrap(),
            content: Content::of(b"image"),
            reference: "registry.example/team/dls:2.0.3".parse().unwrap(),
            image: Digest::of(b"configuration"),
            names: vec![host.clone()],
            host,
            until: 2036,
            container: None,
        }
    }

    #[test]
    fn the_container_has_no_rights_that_it_does_not_need() {
        let text = service().unit_text();
        for word in [
            "--root=/var/lib/vgpu-offline-license/containers",
            "--storage-driver=vfs",
            "--pull=never",
            "--network=host",
            "--read-only",
            "--security-opt=no-new-privileges",
            "--cap-drop=all",
            "--memory=256m",
            "--entrypoint=uvicorn",
            "--host=192.0.2.10",
            "--port=8443",
            &format!("sha256:{}", Digest::of(b"configuration")),
        ] {
            assert!(text.contains(word), "{word}\n{text}");
        }
        assert!(!text.contains("--cap-add") && !text.contains("--publish"));
        assert!(text.contains("Before=pve-guests.service\n"));
        let low = Service { port: Port::new(443).unwrap(), ..service() };
        assert!(low.unit_text().contains("--cap-add=NET_BIND_SERVICE"));
    }

    #[test]
    fn docker_keeps_its_own_storage_and_is_waited_for() {
        let docker = Service { engine: Engine::Docker, ..service() };
        let id = Digest::of(b"configuration").to_string();
        let run = "/usr/bin/docker run --rm --name vgpu-offline-license --pull=never --network=host \
                   --read-only --tmpfs=/tmp --security-opt=no-new-privileges --cap-drop=all --memory=256m \
                   --volume=/var/lib/vgpu-offline-license/cert:/app/cert \
                   --volume=/var/lib/vgpu-offline-license/database:/app/database \
                   --env=DLS_URL=192.0.2.10 --env=DLS_PORT=8443 \
                   --env=DATABASE=sqlite:////app/database/db.sqlite --entrypoint=uvicorn";
        let text = docker.unit_text();
        for line in [
            "After=network-online.target docker.service",
            "Requires=docker.service",
            "Before=pve-guests.service",
            "ExecStartPre=-/usr/bin/docker rm --force vgpu-offline-license",
            &format!(
                "ExecStart={run} sha256:{id} main:app --host=192.0.2.10 --port=8443 --app-dir=/app \
                 --proxy-headers --ssl-keyfile=/app/cert/webserver.key \
                 --ssl-certfile=/app/cert/webserver.crt"
            ),
            "ExecStop=-/usr/bin/docker stop --time=10 vgpu-offline-license",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        let load = docker.load();
        let stored = format!("/var/lib/vgpu-offline/store/{}", docker.content.id);
        let command = format!("/usr/bin/docker load --quiet --input {stored}");
        assert_eq!(load.command.to_string(), command);
        let undo = load.undo.unwrap().to_string();
        assert_eq!(undo, format!("/usr/bin/docker image rm --force {id}"));
        let asked = docker.image_is_there().to_string();
        assert_eq!(asked, format!("/usr/bin/docker image inspect sha256:{id}"));
    }
}
