use std::sync::LazyLock;
use std::time::SystemTime;

use camino::Utf8Path;
use tempfile::TempDir;
use vgpu_installer::host::{
    Command, Exec, HostError, HostPath, Look, Node as HostNode, Output, RealHost, Stat,
};
use vgpu_installer::{Serials, inventory};
use vgpu_manifest::inventory::Inventory;
use vgpu_tests::nodes::{Node, Root};

/// Every node, written once for all read-only tests.
static NODES: LazyLock<Vec<(Node, Machinery)>> =
    LazyLock::new(|| Node::ALL.map(|node| (node, Machinery::of(node))).into());

/// Returns every node with its machine.
pub(crate) fn nodes() -> &'static [(Node, Machinery)] {
    &NODES
}

/// Returns the inventory of a node.
pub(crate) fn of(node: Node) -> Inventory {
    let (_, machine) = NODES.iter().find(|(one, _)| *one == node).unwrap();
    machine.inventory()
}

/// A folder that simulates a machine with a disk of 64 GiB.
pub(crate) struct Machinery {
    host: RealHost,
    folder: TempDir,
}

impl Machinery {
    pub(crate) fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let host = RealHost::open(path(&folder), Exec::Record).unwrap();
        Self { host, folder }
    }

    pub(crate) fn of(node: Node) -> Self {
        let machine = Self::empty();
        node.write(path(&machine.folder)).unwrap();
        machine
    }

    pub(crate) fn root(&self) -> Root {
        Root::new(path(&self.folder)).unwrap()
    }

    pub(crate) fn inventory(&self) -> Inventory {
        inventory(self, Serials::LeaveOut)
    }
}

pub(crate) fn path(folder: &TempDir) -> &Utf8Path {
    Utf8Path::from_path(folder.path()).unwrap()
}

impl Look for Machinery {
    fn node(&self, path: &HostPath) -> Result<Option<HostNode>, HostError> {
        self.host.node(path)
    }

    fn stat(&self, path: &HostPath) -> Result<Option<Stat>, HostError> {
        self.host.stat(path)
    }

    fn read_up_to(&self, path: &HostPath, max: u64) -> Result<Option<Vec<u8>>, HostError> {
        self.host.read_up_to(path, max)
    }

    fn list(&self, path: &HostPath) -> Result<Option<Vec<String>>, HostError> {
        self.host.list(path)
    }

    /// Returns a fixed value: the free space of the test machine must not appear in the document.
    fn free_space(&self, _: &HostPath) -> Result<u64, HostError> {
        Ok(64 << 30)
    }

    fn query(&self, command: &Command) -> Result<Option<Output>, HostError> {
        panic!("an inventory runs no command, and this is one: {command}")
    }

    fn now(&self) -> SystemTime {
        panic!("an inventory has no time in it")
    }
}
