//! JSON Schemas of the documents that the commands print. Compiled for the tests and the
//! demo, not for what ships.

use schemars::JsonSchema;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::schema::{DocumentSchema, of};
use vgpu_manifest::ui::Exit;

use crate::cli::commands::{
    apply, apply_plan, check, guest_drivers, inspect, license, plan, remove, repair, revert,
    status, store, trust, verify,
};
use crate::plan::Applied;
use crate::status::report;

/// Returns the schema of every document.
#[must_use]
pub fn documents() -> Vec<DocumentSchema> {
    vec![
        of::<check::Document<'_>>("vgpu-installer-check"),
        of::<Changed<'_>>("vgpu-installer-done"),
        of::<guest_drivers::Document<'_>>("vgpu-installer-guest-drivers"),
        of::<inspect::Document<'_>>("vgpu-installer-inspect"),
        of::<Inventory>("vgpu-installer-inventory"),
        of::<license::Found>("vgpu-installer-license-status"),
        of::<plan::Document<'_>>("vgpu-installer-plan"),
        of::<repair::Document<'_>>("vgpu-installer-repair"),
        of::<report::Document>("vgpu-installer-report"),
        of::<Status<'_>>("vgpu-installer-status"),
        of::<trust::Document<'_>>("vgpu-installer-trust-list"),
    ]
}

/// The result of a command that has no document of its own: most of them change something.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the commands print it in parts")]
struct Changed<'c> {
    /// `done`, or `reboot` if a reboot is needed.
    result: Exit,
    #[schemars(flatten)]
    apply: Option<apply_plan::Ran<'c>>,
    #[schemars(flatten)]
    applied: Option<Applied>,
    #[schemars(flatten)]
    staged: Option<apply::Staged>,
    #[schemars(flatten)]
    kept: Option<revert::NotRestored<'c>>,
    #[schemars(flatten)]
    earlier: Option<revert::Earlier>,
    #[schemars(flatten)]
    removes: Option<remove::ToRemove<'c>>,
    #[schemars(flatten)]
    pruned: Option<store::Pruned>,
    #[schemars(flatten)]
    left_out: Option<verify::LeftOut<'c>>,
}

/// The state of this node.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the command prints one of them")]
enum Status<'s> {
    Known(status::Document<'s>),
    Damaged(status::Damaged<'s>),
}
