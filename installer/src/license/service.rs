//! The licence server as a service of the node: which container, where it listens, what it may.

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

/// The unit of systemd.
pub(crate) const UNIT: &str = crate::state::LICENSE_UNIT;

/// What the container is called.
const CONTAINER: &str = "vgpu-offline-license";

/// Where the licence server listens, if nothing else is said: 8443, as the Bash script's.
pub(crate) const DEFAULT_PORT: NonZeroU16 = NonZeroU16::new(8443).unwrap();

/// A port of TCP, 1 to 65535.
pub(crate) type Port = NonZeroU16;

/// What runs the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    /// Podman, which has no daemon and touches no firewall. Its storage is a folder of ours.
    Podman,
    /// Docker, where the operator has it already.
    Docker,
    /// An unprivileged container of Proxmox VE 9.1 and later, with an address of its own.
    Lxc,
}

impl Engine {
    /// The program.
    #[must_use]
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Podman => "/usr/bin/podman",
            Self::Docker => "/usr/bin/docker",
            Self::Lxc => PCT,
        }
    }

    /// Whether it is on the node.
    #[must_use]
    pub(crate) fn is_here(self, facts: &Inventory) -> bool {
        let packages: &[&str] = match self {
            Self::Podman => &["podman"],
            Self::Docker => &["docker.io", "docker-ce"],
            Self::Lxc => return makes_containers(facts),
        };
        facts.packages.iter().any(|package| packages.contains(&package.name.as_str()))
    }

    /// The one that fits: a container of Proxmox VE's own where it can make one; Docker where it is
    /// installed already; else podman. Docker is never installed for this, because its firewall rules
    /// cut off guests on bridges.
    #[must_use]
    pub(crate) fn fitting(facts: &Inventory) -> Self {
        let docker = Self::Docker.is_here(facts) && !Self::Podman.is_here(facts);
        match docker {
            _ if Self::Lxc.is_here(facts) => Self::Lxc,
            true => Self::Docker,
            false => Self::Podman,
        }
    }

    /// Whose the folders are that the server writes to.
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

/// How podman keeps layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Storage {
    /// Stacked, by the kernel.
    Overlay,
    /// Copied. On ZFS podman would otherwise make datasets in the root pool.
    Vfs,
}

impl Storage {
    /// The one for this root file system.
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

/// A licence server on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Service {
    /// By what guests reach it.
    pub(crate) host: GuestHost,
    /// The one address of the node at which it listens.
    pub(crate) listen: IpAddr,
    /// The port, for guests and on the node.
    pub(crate) port: Port,
    /// What runs it.
    pub(crate) engine: Engine,
    /// How podman keeps its layers.
    pub(crate) storage: Storage,
    /// The item that is its image.
    pub(crate) item: ItemName,
    /// What the item is, by which the store has it.
    pub(crate) content: Content,
    /// What the image is called.
    pub(crate) reference: ImageReference,
    /// The digest of its configuration, by which it is run.
    pub(crate) image: Digest,
    /// The names and addresses that its certificate holds for.
    pub(crate) names: Vec<GuestHost>,
    /// The last year in which its certificates hold.
    pub(crate) until: i32,
    /// Its container, if Proxmox VE has made it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<Box<Container>>,
}

impl Service {
    /// The address of the web, without a path: `https://192.0.2.10:8443`.
    #[must_use]
    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.host.in_url(), self.port)
    }

    /// The unit's file.
    #[must_use]
    pub(crate) fn unit_path() -> HostPath {
        fixed(&format!("/etc/systemd/system/{UNIT}"))
    }

    /// The words that every call of the engine begins with.
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

    /// Whether the engine, podman or Docker, has the image.
    #[must_use]
    pub(crate) fn image_is_there(&self) -> Command {
        let id = self.image.to_string();
        if self.engine == Engine::Podman {
            self.command(&["image", "exists", &id])
        } else {
            self.command(&["image", "inspect", &format!("sha256:{id}")])
        }
    }

    /// Have the engine take the image from the store.
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

    /// The container's words: what it is, what it may, where it listens.
    ///
    /// It shares the node's network, so that neither forwarding nor NAT is touched, and is told to
    /// listen at one address. Its root is read-only, and it can write where its data are.
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

    /// What the server is told by variables.
    pub(super) fn environment(&self) -> [String; 3] {
        [
            format!("DLS_URL={}", self.host.in_url()),
            format!("DLS_PORT={}", self.port),
            "DATABASE=sqlite:////app/database/db.sqlite".to_owned(),
        ]
    }

    /// The server's own program and its words, to listen at this address.
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

    /// The unit's text: after the network, before guests. Proxmox VE starts containers of its own.
    #[must_use]
    pub(crate) fn unit_text(&self) -> String {
        let docker = self.engine == Engine::Docker;
        // Docker has no word for what is not there, so it just fails, which the dash forgives.
        let ignore: &[&str] = if docker { &[] } else { &["--ignore"] };
        let clear = self.line(&[&["rm", "--force"], ignore, &[CONTAINER]].concat());
        let stop = self.line(&["stop", "--time=10", CONTAINER]);
        let (after, requires) = if docker {
            ("network-online.target docker.service", "Requires=docker.service\n")
        } else {
            ("network-online.target", "")
        };
        format!(
            "# The licence server for guests; `vgpu-installer license remove` takes it away.\n\
             [Unit]\n\
             Description=Licence server for vGPU guests ({reference})\n\
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

    /// A service as a node would have it.
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
