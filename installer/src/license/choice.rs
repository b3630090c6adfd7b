//! The choice of a bundle's license server, and of the way to run it on this node.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::{Item, ItemName, Kind, Manifest};

use super::address::{GuestHost, NodeNames};
use super::certificate::last_year;
use super::container::{Container, SINCE};
use super::placement::{ContainerWish, makes_containers, place};
use super::service::{DEFAULT_PORT, Engine, Port, Service, Storage};
use super::{LicenseError, data, listening};
use crate::date::Date;
use crate::host::{HostError, Look};
use crate::state::{self, fixed};

#[cfg(test)]
pub(crate) mod tests;

/// The operator's options for a license server.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Wish {
    /// Address of this node to listen on, if it is a different one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<IpAddr>,
    /// Port to listen on
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub(crate) port: Port,
    /// Engine to use [default: lxc since Proxmox VE 9.1, else podman; docker only where it is
    /// installed]
    #[arg(long, value_enum)]
    pub(crate) engine: Option<Engine>,
    /// Image of the bundle, if it has several
    #[arg(long, value_name = "ITEM")]
    pub(crate) image: Option<ItemName>,
    /// The options of its container.
    #[command(flatten)]
    pub(crate) container: ContainerWish,
}

/// The tolerance for a node's clock that is behind that of the machine with the bundler.
const BEHIND: Duration = Duration::from_hours(24);

impl Service {
    /// Returns the license server of `manifest` on this node, which guests reach as `host`.
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

    /// Returns the same server with the image of another bundle, or unchanged if that bundle has
    /// none.
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

    /// Checks that the port is free. The installer's own server may use it, and a container has an
    /// address to itself.
    fn check_port(&self, look: &dyn Look) -> Result<(), LicenseError> {
        if self.container.is_some() {
            return Ok(());
        }
        let ours = look.stat(&Self::unit_path())?.is_some();
        let taken = listening::at(look, self.listen, self.port)?;
        if taken && !ours {
            return Err(LicenseError::Cannot(format!(
                "port {} of this node is in use; pass another one with `--port NUMBER`",
                self.port
            )));
        }
        Ok(())
    }

    /// Checks the space in `/var/lib`. Podman and Docker unpack compressed layers there, to about
    /// three times their size. Proxmox VE unpacks them into another storage, and only the archive
    /// is here.
    fn check_space(&self, look: &dyn Look) -> Result<(), LicenseError> {
        let free = look.free_space(&fixed("/var/lib"))?;
        let times = if self.container.is_some() { 1 } else { 3 };
        let needs = self.content.size.saturating_mul(times);
        if free < needs {
            return Err(LicenseError::Cannot(format!(
                "the image needs about {} MiB in /var/lib, but {} MiB are free",
                needs >> 20,
                free >> 20
            )));
        }
        Ok(())
    }
}

/// The network location of a server.
struct Home {
    listen: IpAddr,
    names: Vec<GuestHost>,
    container: Option<Container>,
}

impl Home {
    /// Returns the location at the node's own address and names.
    fn on_node(
        look: &dyn Look,
        engine: Engine,
        host: &GuestHost,
        wish: &Wish,
    ) -> Result<Self, LicenseError> {
        if let Some(word) = wish.container.given() {
            return Err(LicenseError::Cannot(format!(
                "`{word}` is for a container of Proxmox VE, but {engine} runs the server here"
            )));
        }
        let node = NodeNames::look(look)?;
        let listen = host.listen(wish.listen, &node)?;
        Ok(Self { listen, names: node.for_certificate(host), container: None })
    }

    /// Returns the location in a container, which has one address and the name that guests use.
    fn contained(
        container: Container,
        host: &GuestHost,
        wish: &Wish,
    ) -> Result<Self, LicenseError> {
        if wish.listen.is_some() {
            return Err(LicenseError::Cannot(
                "`--listen` is for an address of the node, but the container has its own; pass \
                    `--cidr` instead"
                    .to_owned(),
            ));
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
) -> Result<(&'m Item, &'m ImageRecord), LicenseError> {
    let images: Vec<(&Item, &ImageRecord)> = manifest.records(Kind::image).collect();
    match (asked, images.as_slice()) {
        (_, []) => Err(LicenseError::Cannot(
            "the bundle has no container image; add one to the recipe (`[[image]]`), or point \
                guests at another server: `vgpu-installer license use`"
                .to_owned(),
        )),
        (None, [image]) => Ok(*image),
        (None, many) => {
            let names = many.iter().map(|(item, _)| format!("`--image {}`", item.name()));
            let names = names.collect::<Vec<_>>().join(" or ");
            Err(LicenseError::Cannot(format!(
                "the bundle has several container images; name one: {names}"
            )))
        }
        (Some(name), many) => {
            let found = many.iter().find(|(item, _)| item.name() == name).copied();
            found.ok_or_else(|| {
                LicenseError::Cannot(format!("the bundle has no container image `{name}`"))
            })
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
        return Err(LicenseError::Cannot(format!(
            "{runs} already runs a license server on this node; remove it first (its keys are \
                kept): `vgpu-installer license remove`"
        )));
    }
    let brought = manifest.has_package("podman");
    let why = match engine {
        Engine::Podman if !brought && !engine.is_here(facts) => {
            "podman is neither on this node nor in the bundle; add it to the recipe's packages \
                (`podman`)"
                .to_owned()
        }
        Engine::Docker if !engine.is_here(facts) => {
            "Docker is not on this node, and is never installed for this, because its firewall \
                rules cut off guests on bridges; use podman"
                .to_owned()
        }
        Engine::Lxc if !makes_containers(facts) => {
            let here = facts
                .os
                .pve
                .map_or("has an unknown release".to_owned(), |here| format!("has {here}"));
            format!(
                "containers from images need Proxmox VE {SINCE} or later, but this node {here}; \
                    pass `--engine podman`"
            )
        }
        _ => return Ok(engine),
    };
    Err(LicenseError::Cannot(why))
}

/// Checks the clock: with a wrong one, guests do not accept certificates, nor the server its own
/// leases.
fn check_clock(now: SystemTime, created: u64, until: i32) -> Result<(), LicenseError> {
    let made = UNIX_EPOCH + Duration::from_secs(created);
    let late = Date::from(now).numbers()[0] > i64::from(until);
    if late || now + BEHIND < made {
        let [says, made] = [now, made].map(Date::from);
        return Err(LicenseError::Cannot(format!(
            "the node's clock says {says}, but the bundle was made on {made}; leases and \
                certificates depend on the clock: set it with `timedatectl set-time`"
        )));
    }
    Ok(())
}

fn year_of(created: u64) -> i32 {
    let [year, ..] = Date(i64::try_from(created).unwrap_or(i64::MAX)).numbers();
    i32::try_from(year).unwrap_or(i32::MAX)
}

/// Returns the record of the server that runs here, if there is one.
pub(crate) fn in_force(look: &dyn Look) -> Result<Option<Service>, HostError> {
    let Some(service) = remembered(look) else { return Ok(None) };
    let is_here = match &service.container {
        Some(container) => container.is_ours(look)?,
        None => look.stat(&Service::unit_path())?.is_some(),
    };
    Ok(is_here.then_some(service))
}

/// Returns the record of the server that was set up last, even if it was removed since.
pub(crate) fn remembered(look: &dyn Look) -> Option<Service> {
    // Without a record, the installer asks again.
    state::recall(look, &data::memory())
}
