//! The placement of the license server's container on a node: its number, network interface and
//! storage.

use std::net::IpAddr;

use vgpu_manifest::inventory::Inventory;

use super::LicenseError;
use super::address::{GuestHost, NodeNames};
use super::container::{Container, SINCE, StorageName, Vmid, size_for};
use super::network::{Bridge, Card, Cidr, taken_by};
use crate::host::{Command, Look};

/// The operator's options for a container of the license server.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Container (Proxmox VE 9.1 and later)")]
pub(crate) struct ContainerWish {
    /// Unused address for the container, with prefix length
    #[arg(long, value_name = "ADDRESS/BITS")]
    pub(crate) cidr: Option<Cidr>,
    /// Gateway to other networks, if guests are in them
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) gateway: Option<IpAddr>,
    /// Bridge to connect to, if the node has several
    #[arg(long, value_name = "NAME")]
    pub(crate) bridge: Option<Bridge>,
    /// Container number [default: the cluster's next free one]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) vmid: Option<Vmid>,
    /// Storage for the root file system [default: the first one with room]
    #[arg(long, value_name = "NAME")]
    pub(crate) storage: Option<StorageName>,
}

impl ContainerWish {
    /// Returns the first option that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let all = [
            ("--cidr", self.cidr.is_some()),
            ("--gateway", self.gateway.is_some()),
            ("--bridge", self.bridge.is_some()),
            ("--vmid", self.vmid.is_some()),
            ("--storage", self.storage.is_some()),
        ];
        all.into_iter().find_map(|(word, given)| given.then_some(word))
    }
}

fn no_address() -> LicenseError {
    LicenseError::Cannot(format!(
        "on Proxmox VE {SINCE} and later the server runs in a container with an address of its \
            own; pass an unused one, such as `--cidr 192.0.2.30/24`, or pass `--engine podman` to \
            use the node's address"
    ))
}

fn either(bridges: &[Bridge]) -> String {
    let words: Vec<_> = bridges.iter().map(|bridge| format!("`--bridge {bridge}`")).collect();
    if words.is_empty() {
        ": `--bridge NAME`".to_owned()
    } else {
        format!(": {}", words.join(" or "))
    }
}

/// Checks whether this node can make containers from images.
pub(super) fn makes_containers(facts: &Inventory) -> bool {
    facts.os.pve.is_some_and(|here| here >= SINCE)
}

/// Returns the place for a container of a server whose image has `bytes`, and which guests reach as
/// `host`.
///
/// A `known` container of the installer keeps its number and storage.
pub(super) fn place(
    look: &dyn Look,
    wish: &ContainerWish,
    host: &GuestHost,
    bytes: u64,
    known: Option<&Container>,
) -> Result<Container, LicenseError> {
    let cidr = wish.cidr.or(known.map(|known| known.card.cidr)).ok_or_else(no_address)?;
    let vmid = number(look, wish.vmid, known)?;
    let card = card(look, wish, host, (vmid, cidr), known)?;
    let asked = wish.storage.clone().or_else(|| known.map(|it| it.storage.clone()));
    let storage = if known.is_some_and(|it| Some(&it.storage) == asked.as_ref()) {
        asked.unwrap_or_else(|| unreachable!("it is known"))
    } else {
        storage(look, asked, bytes.saturating_mul(3))?
    };
    let no_templates = "no storage of this node may hold container templates; allow it for one: \
                        `pvesm set local --content vztmpl,…`";
    let (template_storage, template_folder) =
        Container::templates(look)?.ok_or_else(|| LicenseError::Cannot(no_templates.to_owned()))?;
    let size = size_for(bytes);
    Ok(Container { vmid, card, storage, size, template_storage, template_folder })
}

fn card(
    look: &dyn Look,
    wish: &ContainerWish,
    host: &GuestHost,
    (vmid, cidr): (Vmid, Cidr),
    known: Option<&Container>,
) -> Result<Card, LicenseError> {
    let cannot = |why| Err(LicenseError::Cannot(why));
    let known = known.map(|it| &it.card);
    let own = cidr.address();
    if let GuestHost::Address(address) = host
        && *address != own
    {
        return cannot(format!(
            "guests use {address}, but the container has {cidr}; pass the same address for both, \
                or a name as `--address`"
        ));
    }
    if NodeNames::look(look)?.addresses.contains(&own) {
        return cannot(format!(
            "{own} is an address of this node; pass an unused one for the container"
        ));
    }
    if let Some(by) = taken_by(look, own, &vmid.to_string())? {
        return cannot(format!("{by} has {own}; pass an unused address"));
    }
    if let Some(gateway) = wish.gateway.filter(|gateway| !cidr.has(*gateway)) {
        return cannot(format!("the gateway {gateway} is not in the network of {cidr}"));
    }
    // Drop the recorded gateway if the network has changed.
    let gateway = wish.gateway.or_else(|| known?.gateway.filter(|it| cidr.has(*it)));
    let bridge = match wish.bridge.clone().or_else(|| Some(known?.bridge.clone())) {
        Some(bridge) if bridge.is_here(look)? => bridge,
        Some(bridge) => {
            return cannot(format!(
                "this node has no bridge `{bridge}`; `ls /sys/class/net` lists what it has"
            ));
        }
        None => match <[Bridge; 1]>::try_from(Bridge::all(look)?) {
            Ok([only]) => only,
            Err(all) => {
                return cannot(format!("name the bridge for the container{}", either(&all)));
            }
        },
    };
    Ok(Card { bridge, cidr, gateway })
}

/// Returns the container number: the existing one, the requested one if it is free, or the next
/// free one.
fn number(
    look: &dyn Look,
    asked: Option<Vmid>,
    known: Option<&Container>,
) -> Result<Vmid, LicenseError> {
    if let Some(known) = known
        && asked.is_none_or(|asked| asked == known.vmid)
    {
        return Ok(known.vmid);
    }
    let words = asked.map(|vmid| vmid.to_string());
    let mut command = vec!["get", "/cluster/nextid"];
    command.extend(words.iter().flat_map(|vmid| ["--vmid", vmid]));
    let output = look.query(&Command::new("pvesh", &command))?;
    match (output, asked) {
        (Some(output), Some(vmid)) if !output.succeeded() => {
            let why = String::from_utf8_lossy(&output.stderr).trim().escape_debug().to_string();
            Err(LicenseError::Cannot(format!(
                "the number {vmid} is not free in this cluster: {why}"
            )))
        }
        (_, Some(vmid)) => Ok(vmid),
        (output, None) => {
            let stdout = output.filter(crate::host::Output::succeeded).map(|output| output.stdout);
            let text = String::from_utf8_lossy(stdout.as_deref().unwrap_or_default()).into_owned();
            text.trim().parse().map_err(|_| {
                LicenseError::Cannot(
                    "`pvesh get /cluster/nextid` returned no free number; pass one with `--vmid`"
                        .to_owned(),
                )
            })
        }
    }
}

/// Returns a storage with `needs` bytes free: the requested one, or the first.
fn storage(
    look: &dyn Look,
    asked: Option<StorageName>,
    needs: u64,
) -> Result<StorageName, LicenseError> {
    let command = Command::new("pvesm", &["status", "--content", "rootdir", "--enabled", "1"]);
    let output = look.query(&command)?.filter(crate::host::Output::succeeded);
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let mut fit = text.iter().flat_map(|text| roomy(text, needs));
    let why = match asked {
        // Where commands do not run, the storage cannot be checked, so accept the requested one.
        Some(name) if text.is_none() || fit.any(|it| it == name) => return Ok(name),
        Some(name) => format!(
            "`{name}` is not a storage for containers with {} MiB free; \
                `pvesm status --content rootdir` lists them",
            needs >> 20
        ),
        None => match fit.next() {
            Some(name) => return Ok(name),
            None => format!(
                "no storage for containers has {} MiB free (see `pvesm status --content \
                    rootdir`); free some space, or pass `--storage NAME`",
                needs >> 20
            ),
        },
    };
    Err(LicenseError::Cannot(why))
}

/// Returns the active storages with enough room, from a table with a header: name, type, status,
/// and in KiB the total, used and free space.
fn roomy(table: &str, needs: u64) -> Vec<StorageName> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[name, _, "active", _, _, free, ..] = words.as_slice() else { return None };
        let free: u64 = free.parse().ok()?;
        (free.saturating_mul(1024) >= needs).then(|| name.parse().ok())?
    };
    table.lines().filter_map(line).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::MemHost;

    /// Output of `pvesm status`.
    pub(crate) const STORAGES: &str = "\
Name             Type     Status           Total            Used       Available        %
big               dir   inactive       999999999               0       999999999    0.00%
small         lvmthin     active            1000             900             100   90.00%
local-lvm     lvmthin     active       832888832        10000000       822888832    1.20%
";

    /// A node of Proxmox VE 9.1 with one bridge, reduced to what this module reads.
    pub(crate) fn node() -> MemHost {
        let trie = "  |-- 192.0.2.10\n     /32 host LOCAL\n";
        let list = "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n";
        let mut host = MemHost::with_files(&[
            ("/etc/pve/storage.cfg", list),
            ("/proc/net/fib_trie", trie),
            ("/sys/class/net/vmbr0/address", ""),
        ]);
        host.programs.insert("pvesm", |host, _| {
            host.stdout = STORAGES.to_owned();
            Ok(0)
        });
        // The API returns the lowest free number, or confirms a requested one that is free.
        host.programs.insert("pvesh", |host, words| {
            let taken = words.ends_with(&["--vmid", "101"]);
            host.stdout = "100\n".to_owned();
            Ok(if taken { 2 } else { 0 })
        });
        host
    }

    fn wish(words: &[&str]) -> ContainerWish {
        use clap::{Args as _, FromArgMatches as _};
        let command = ContainerWish::augment_args(clap::Command::new("x"));
        let all = [&["x"], words].concat();
        ContainerWish::from_arg_matches(&command.try_get_matches_from(all).unwrap()).unwrap()
    }

    fn placed(
        host: &MemHost,
        words: &[&str],
        known: Option<&Container>,
    ) -> Result<Container, String> {
        let guest = "192.0.2.30".parse().unwrap();
        place(host, &wish(words), &guest, 100 << 20, known).map_err(|error| error.to_string())
    }

    #[test]
    fn a_place_is_found_with_few_options() {
        let place = placed(&node(), &["--cidr", "192.0.2.30/24"], None).unwrap();
        assert_eq!(place.vmid.to_string(), "100");
        assert_eq!(place.card.bridge.to_string(), "vmbr0");
        assert_eq!((place.storage.to_string().as_str(), place.size), ("local-lvm", 4));
        assert_eq!(place.template_folder.to_string(), "/var/lib/vz/template/cache");
        // A later bundle keeps the options that are not given again.
        let later = placed(&MemHost::default(), &[], Some(&place)).unwrap_err();
        assert!(later.contains("no bridge `vmbr0`"), "{later}");
        let mut quiet = node();
        quiet.programs.clear();
        assert_eq!(placed(&quiet, &[], Some(&place)).unwrap(), place);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut host = node();
        host.place("/sys/class/net/vmbr1/address", "");
        let net = "net0: name=eth0,bridge=vmbr0,ip=192.0.2.30/24,type=veth\n";
        let mut taken = node();
        taken.place("/etc/pve/nodes/pve2/lxc/105.conf", net);
        let mut by_vm = node();
        by_vm.place("/etc/pve/nodes/pve2/qemu-server/106.conf", "ipconfig0: ip=192.0.2.30/24\n");
        let own = ["--cidr", "192.0.2.30/24", "--bridge", "vmbr0"];
        for (host, more, why) in [
            (&node(), &["--cidr", "192.0.2.31/24"][..], "guests use 192.0.2.30"),
            (&node(), &[], "--cidr 192.0.2.30/24"),
            (&host, &own[..2], "`--bridge vmbr0` or `--bridge vmbr1`"),
            (&host, &[&own[..2], &["--bridge", "vmbr7"]].concat(), "no bridge `vmbr7`"),
            (&taken, &own, "container 105 on pve2 has 192.0.2.30"),
            (&by_vm, &own, "VM 106 on pve2 has 192.0.2.30"),
            (&node(), &[&own[..], &["--gateway", "192.0.3.1"]].concat(), "not in the network"),
            (&node(), &[&own[..], &["--vmid", "101"]].concat(), "the number 101 is not free"),
            (&node(), &[&own[..], &["--storage", "small"]].concat(), "with 300 MiB free"),
            (&node(), &[&own[..], &["--storage", "big"]].concat(), "`big` is not a storage"),
        ] {
            let error = placed(host, more, None).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let guest: GuestHost = "dls.example".parse().unwrap();
        let error = place(&node(), &wish(&["--cidr", "192.0.2.10/24"]), &guest, 1, None);
        assert!(error.unwrap_err().to_string().contains("192.0.2.10 is an address of this node"));
    }

    proptest! {
        #[test]
        fn no_table_makes_it_panic(table in any::<String>(), needs in any::<u64>()) {
            roomy(&table, needs);
        }
    }
}
