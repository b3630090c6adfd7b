//! Text output of the checks.

use vgpu_manifest::inventory::VgpuInterface;

use super::{Finding, Found, OfferedType, Proof};
use crate::ui::{Tone, printable};

/// Formats the checks, the vGPU types and the commands that assign one to a guest.
pub(crate) fn table(
    proof: &Proof,
    commands: &[String],
    paint: &dyn Fn(Tone, &str) -> String,
) -> Vec<String> {
    let mut lines = Vec::new();
    for Found { check, finding } in &proof.findings {
        let name = format!("{:<11}", check.name());
        let (mark, text, remedy) = match finding {
            Finding::Good { says } => (paint(Tone::Good, "good     "), says, None),
            Finding::Missing { reason, remedy } => {
                (paint(Tone::Bad, "missing  "), reason, Some(remedy))
            }
            Finding::NotAsked { why } => (paint(Tone::Dim, "not asked"), why, None),
        };
        lines.push(format!("  {mark} {name}  {}", printable(text)));
        lines.extend(remedy.map(|remedy| format!("             do: {}", printable(remedy))));
    }
    lines.extend(types(&proof.types));
    lines.extend(is_one_size(&proof.types).then(|| MIXED.to_owned()));
    if !commands.is_empty() {
        lines.push("to assign a vGPU to the guest VMID (any type of the table works):".to_owned());
        lines.extend(commands.iter().map(|line| format!("  {}", printable(line))));
    }
    lines
}

/// `-shm` sets the heterogeneous mode of all GPUs. It does not persist, and `sriov-manage` clears it.
const MIXED: &str = "  after its first guest, a GPU offers only types with the same framebuffer size; for \
                     mixed sizes, run `nvidia-smi vgpu -shm 1` before guests start, at every boot";

/// Checks whether a GPU offers several types through its virtual functions.
fn is_one_size(types: &[OfferedType]) -> bool {
    let mut vendor = types.iter().filter(|it| it.interface == VgpuInterface::Vendor);
    vendor.any(|one| types.iter().any(|other| other.gpu == one.gpu && other.id != one.id))
}

fn types(types: &[OfferedType]) -> Vec<String> {
    let row = |offered: &OfferedType| {
        [
            offered.gpu.to_string(),
            format!("nvidia-{}", offered.id),
            printable(&offered.name),
            printable(offered.framebuffer.as_deref().unwrap_or("-")),
            offered.available.to_string(),
        ]
    };
    let heads = ["GPU", "type", "name", "framebuffer", "available"].map(str::to_owned);
    let rows: Vec<_> = [heads].into_iter().chain(types.iter().map(row)).collect();
    if rows.len() == 1 {
        return Vec::new();
    }
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
