//! The machine of `[vgpu]`, and the proposal for it.

use anyhow::Context as _;
use camino::Utf8Path;
use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::inventory::{Inventory, MAX_DOCUMENT};
use vgpu_manifest::platform::{PciId, PveRelease, PveSeries};
use vgpu_manifest::ui::Exit;
use vgpu_manifest::verdict::Target;

use super::short::{DriverChoice, Vgpu, over};
use crate::assist::proposal::{Known, Proposal, Wish};
use crate::bounded;
use crate::items::driver::HostFile;

/// The table `[vgpu]`, judged for its machine.
#[derive(Debug)]
pub(crate) struct Plan<'p> {
    pub(super) vgpu: &'p Vgpu,
    pub(super) inventory: Option<Inventory>,
    pub(super) proposal: Proposal<'p>,
}

/// Reads the inventory of a node.
pub(crate) fn inventory_of(path: &Utf8Path) -> anyhow::Result<Inventory> {
    let what = || format!("cannot use the inventory `{path}`");
    let bytes = bounded::read(path, MAX_DOCUMENT as u64).with_context(what)?;
    Inventory::from_json(&bytes).with_context(what)
}

impl<'p> Plan<'p> {
    /// Judges the machine. Paths are relative to `base`.
    pub(super) fn of(
        vgpu: &'p Vgpu,
        base: &Utf8Path,
        catalog: &'p Catalog,
        known: &Known,
    ) -> anyhow::Result<Self> {
        let inventory =
            vgpu.node.as_ref().map(|node| inventory_of(&node.below(base))).transpose()?;
        let of_node = inventory.as_ref().map(Target::from).unwrap_or_default();
        let target = over(vgpu.facts(), of_node);
        let gpus: Vec<PciId> = match &vgpu.gpu.0[..] {
            [] => inventory.iter().flat_map(|it| &it.gpus).map(|gpu| gpu.id).collect(),
            gpus => gpus.to_vec(),
        };
        if gpus.is_empty() && inventory.is_none() {
            let message = "`[vgpu]` must name its `gpu`, or the inventory of a `node`";
            return Err(Exit::Usage.error(message).into());
        }
        let wish = match vgpu.driver {
            DriverChoice::Release(release) => Wish::Driver(release),
            DriverChoice::Passthrough => Wish::Passthrough,
        };
        let proposal = Proposal::make(catalog, &target, &gpus, wish, known)?;
        Ok(Self { vgpu, inventory, proposal })
    }

    /// Returns the Proxmox VE release, if it is known.
    pub(super) fn pve(&self) -> Option<PveSeries> {
        self.proposal.pve().and_then(PveRelease::series)
    }

    /// Returns a file in the folder of inputs.
    pub(super) fn input(&self, file: &str) -> String {
        let folder = self.vgpu.inputs.as_ref().map_or("inputs", |it| it.as_path().as_str());
        format!("{}/{file}", folder.trim_end_matches('/'))
    }
}

/// Reads the driver file: a catalog that has its release, and the GPUs that it lists.
pub(super) fn of_file(
    vgpu: &Vgpu,
    base: &Utf8Path,
    catalog: &Catalog,
) -> anyhow::Result<Option<(Catalog, Known)>> {
    let (Some(path), DriverChoice::Release(release)) = (&vgpu.driver_file, vgpu.driver) else {
        return Ok(None);
    };
    let Some(file) = HostFile::read(&path.below(base))? else { return Ok(None) };
    let mut catalog = catalog.clone();
    catalog.admit(&file.version, Some(release));
    Ok(Some((catalog, Known { month: None, file: Some(file) })))
}
