//! Which licence server of a bundle runs on this node, and how.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::{Item, ItemName, Kind, Manifest};

use super::address::{GuestHost, NodeNames};
use super::certificate::last_year;
use super::container::Container;
use super::placement::{ContainerWish, NoPlace, makes_containers, place};
use super::service::{DEFAULT_PORT, Engine, Port, Service, Storage};
use super::{LicenseError, data, listening};
use crate::host::{HostError, Look};
use crate::state::fixed;
use crate::ui::Date;

#[cfg(test)]
pub(crate) mod tests;

/// What an operator wants of a licence server.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Wish {
    /// The address of this node at which the server listens, if that is another.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<IpAddr>,
    /// The port at which it listens.
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub(crate) port: Port,
    /// What runs it. Without it, a container of Proxmox VE's own since 9.1, else podman; Docker only
    /// where it is installed already.
    #[arg(long, value_enum)]
    pub(crate) engine: Option<Engine>,
    /// Which image of the bundle it is, if the bundle has several.
    #[arg(long, value_name = "ITEM")]
    pub(crate) image: Option<ItemName>,
    /// Where its container goes.
    #[command(flatten)]
    pub(crate) container: ContainerWish,
}

/// A bundle and a node do not have what a licence server needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CannotServe {
    /// There is no image.
    #[error(
        "the bundle has no container image; add one to the recipe (`[[image]]`), or point guests at another server: `vgpu-installer license use`"
    )]
    NoImage,
    /// It is not clear which image is meant.
    #[error("the bundle has several container images; name one: {}", .0.iter().map(|item| format!("`--image {item}`")).collect::<Vec<_>>().join(" or "))]
    ManyImages(Vec<ItemName>),
    /// The image is not in the bundle.
    #[error("the bundle has no container image `{0}`")]
    OtherImage(ItemName),
    /// There is nothing to run it.
    #[error(
        "podman is neither on this node nor in the bundle; add it to the recipe's packages (`podman`)"
    )]
    NoPodman,
    /// Docker is not here.
    #[error(
        "Docker is not on this node, and is never installed for this, because its firewall rules cut off guests on bridges; use podman"
    )]
    NoDocker,
    /// A word is for containers of Proxmox VE, and none is made.
    #[error("`{word}` is for a container of Proxmox VE, and here {engine} runs the server")]
    OnlyForContainers {
        /// The word.
        word: &'static str,
        /// What runs it.
        engine: Engine,
    },
    /// A container listens at its own address.
    #[error(
        "`--listen` is for an address of the node, and the container has one of its own: `--cidr`"
    )]
    ListensItself,
    /// Another engine runs a server already.
    #[error(
        "{runs} runs a licence server on this node already; take that away first, which keeps its keys: `vgpu-installer license remove`"
    )]
    OtherEngine {
        /// The engine.
        runs: Engine,
    },
    /// Somebody else listens.
    #[error(
        "something listens at port {port} of this node already; choose another: `--port NUMBER`"
    )]
    PortInUse {
        /// The port.
        port: Port,
    },
    /// There is too little room for the engine to unpack the image.
    #[error(
        "the image needs about {needs} MiB in /var/lib to be unpacked, and {free} MiB are free"
    )]
    NoSpace {
        /// What it takes, in MiB.
        needs: u64,
        /// What is free, in MiB.
        free: u64,
    },
    /// Guests would not believe certificates, nor the server its own leases.
    #[error(
        "the node's clock says {says}, and the bundle was made on {made}; leases and certificates depend on the clock, so set it first: `timedatectl set-time`"
    )]
    Clock {
        /// What the clock says.
        says: Date,
        /// When the bundle was made.
        made: Date,
    },
}

/// A clock may be behind the laptop's by so much: a day.
const BEHIND: Duration = Duration::from_hours(24);

impl Service {
    /// The licence server of `manifest` on this node, which guests reach as `host`.
    pub(crate) fn choose(
        manifest: &Manifest,
        facts: &Inventory,
        look: &dyn Look,
        (host, wish): (&GuestHost, &Wish),
    ) -> Result<Self, LicenseError> {
        let (item, image) = image_of(manifest, wish.image.as_ref())?;
        let runs = in_force(look)?;
        let engine = engine_of(manifest, facts, wish.engine, runs.as_ref())?;
        let until = last_year(year_of(manifest.created));
        check_clock(look.now(), manifest.created, until)?;
        let home = if engine == Engine::Lxc {
            let known = runs.as_ref().and_then(|runs| runs.container.as_deref());
            Home::contained(place(look, &wish.container, host, item.size(), known)?, host, wish)?
        } else {
            Home::on_node(look, engine, host, wish)?
        };
        let service = Self {
            names: home.names,
            host: host.clone(),
            listen: home.listen,
            port: wish.port,
            engine,
            storage: Storage::fitting(facts),
            content: item.into(),
            item: item.name().clone(),
            reference: image.reference.clone(),
            image: image.id,
            until,
            container: home.container.map(Box::new),
        };
        service.check_port(look)?;
        service.check_space(look)?;
        Ok(service)
    }

    /// The same server with the image of another bundle, if that brings one; else as it is.
    #[must_use]
    pub(crate) fn carried_over(&self, manifest: &Manifest) -> Self {
        let found = manifest.records(Kind::image).find(|(item, _)| *item.name() == self.item);
        let Some((item, image)) = found else { return self.clone() };
        Self {
            content: item.into(),
            reference: image.reference.clone(),
            image: image.id,
            until: self.until.max(last_year(year_of(manifest.created))),
            ..self.clone()
        }
    }

    /// Nobody else may listen there. That our own server does is as it should be, and at an address
    /// of its own nobody else does.
    fn check_port(&self, look: &dyn Look) -> Result<(), LicenseError> {
        if self.container.is_some() {
            return Ok(());
        }
        let ours = look.stat(&Self::unit_path())?.is_some();
        let taken = listening::at(look, self.listen, self.port)?;
        if taken && !ours {
            return Err(CannotServe::PortInUse { port: self.port }.into());
        }
        Ok(())
    }

    /// An engine unpacks layers, which are compressed: about three times of what they have. Proxmox VE
    /// unpacks them into a storage of its own, and only the archive itself lies here.
    fn check_space(&self, look: &dyn Look) -> Result<(), LicenseError> {
        let free = look.free_space(&fixed("/var/lib"))?;
        let times = if self.container.is_some() { 1 } else { 3 };
        let needs = self.content.size.saturating_mul(times);
        if free < needs {
            return Err(CannotServe::NoSpace { needs: needs >> 20, free: free >> 20 }.into());
        }
        Ok(())
    }
}

/// Where a server is at home in the network.
struct Home {
    listen: IpAddr,
    names: Vec<GuestHost>,
    container: Option<Container>,
}

impl Home {
    /// At the node's own address, as the node is called.
    fn on_node(
        look: &dyn Look,
        engine: Engine,
        host: &GuestHost,
        wish: &Wish,
    ) -> Result<Self, LicenseError> {
        if let Some(word) = wish.container.given() {
            return Err(CannotServe::OnlyForContainers { word, engine }.into());
        }
        let node = NodeNames::look(look)?;
        let listen = host.listen(wish.listen, &node)?;
        Ok(Self { listen, names: node.for_certificate(host), container: None })
    }

    /// In a container, which has one address and the name that guests use.
    fn contained(container: Container, host: &GuestHost, wish: &Wish) -> Result<Self, CannotServe> {
        if wish.listen.is_some() {
            return Err(CannotServe::ListensItself);
        }
        let listen = container.card.cidr.address();
        let mut names = vec![host.clone(), GuestHost::Address(listen)];
        names.dedup();
        Ok(Self { listen, names, container: Some(container) })
    }
}

fn image_of<'m>(
    manifest: &'m Manifest,
    asked: Option<&ItemName>,
) -> Result<(&'m Item, &'m ImageRecord), CannotServe> {
    let images: Vec<(&Item, &ImageRecord)> = manifest.records(Kind::image).collect();
    match (asked, images.as_slice()) {
        (_, []) => Err(CannotServe::NoImage),
        (None, [image]) => Ok(*image),
        (None, many) => {
            Err(CannotServe::ManyImages(many.iter().map(|(item, _)| item.name().clone()).collect()))
        }
        (Some(name), many) => {
            let found = many.iter().find(|(item, _)| item.name() == name).copied();
            found.ok_or_else(|| CannotServe::OtherImage(name.clone()))
        }
    }
}

fn engine_of(
    manifest: &Manifest,
    facts: &Inventory,
    asked: Option<Engine>,
    runs: Option<&Service>,
) -> Result<Engine, LicenseError> {
    let runs = runs.map(|runs| runs.engine);
    let engine = asked.or(runs).unwrap_or_else(|| Engine::fitting(facts));
    if let Some(runs) = runs.filter(|runs| (*runs == Engine::Lxc) != (engine == Engine::Lxc)) {
        return Err(CannotServe::OtherEngine { runs }.into());
    }
    let brought = manifest.has_package("podman");
    match engine {
        Engine::Podman if !brought && !engine.is_here(facts) => Err(CannotServe::NoPodman.into()),
        Engine::Docker if !engine.is_here(facts) => Err(CannotServe::NoDocker.into()),
        Engine::Lxc if !makes_containers(facts) => Err(NoPlace::TooOld(facts.os.pve).into()),
        _ => Ok(engine),
    }
}

fn check_clock(now: SystemTime, created: u64, until: i32) -> Result<(), CannotServe> {
    let made = UNIX_EPOCH + Duration::from_secs(created);
    let late = Date::from(now).numbers()[0] > i64::from(until);
    if late || now + BEHIND < made {
        return Err(CannotServe::Clock { says: now.into(), made: made.into() });
    }
    Ok(())
}

fn year_of(created: u64) -> i32 {
    let [year, ..] = Date(i64::try_from(created).unwrap_or(i64::MAX)).numbers();
    i32::try_from(year).unwrap_or(i32::MAX)
}

/// What is remembered of the server that runs here; `None` if there is none.
pub(crate) fn in_force(look: &dyn Look) -> Result<Option<Service>, HostError> {
    let Some(service) = remembered(look)? else { return Ok(None) };
    let is_here = match &service.container {
        Some(container) => container.is_ours(look)?,
        None => look.stat(&Service::unit_path())?.is_some(),
    };
    Ok(is_here.then_some(service))
}

/// What was set up here last, whether it is still here or not.
pub(crate) fn remembered(look: &dyn Look) -> Result<Option<Service>, HostError> {
    let Some(bytes) = look.read(&data::memory())? else { return Ok(None) };
    // What cannot be read is as good as forgotten: then it is asked for anew.
    Ok(serde_json::from_slice(&bytes).ok())
}
