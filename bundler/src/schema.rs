//! JSON Schemas of the documents that the commands print. Compiled for the tests and the
//! demo, not for what ships.

use schemars::JsonSchema;
use serde_json::{Map, Value};
use vgpu_manifest::catalog::{Driver, Patch};
use vgpu_manifest::schema::{DocumentSchema, list, of};
use vgpu_manifest::verdict::Verdict;

use crate::cache::Entry;
use crate::cli::commands::{
    build, cache, catalog, doctor, expand, extract, fetch, fleet, init, inspect, key, policy,
    prove, schema, show, sign, update, verify, write,
};
use crate::fleet::Comparison;
use crate::lock::Change;
use crate::matrix::Matrix;

/// Returns the schema of every document.
#[must_use]
pub fn documents() -> Vec<DocumentSchema> {
    vec![
        of::<build::Made>("vgpu-bundler-build"),
        of::<cache::Swept>("vgpu-bundler-cache-gc"),
        list::<Entry>("vgpu-bundler-cache-list", "The files in the cache."),
        of::<cache::Place>("vgpu-bundler-cache-path"),
        of::<cache::Swept>("vgpu-bundler-cache-verify"),
        list::<catalog::Sourced<'_, &Driver>>("vgpu-bundler-catalog-drivers", "The host drivers."),
        list::<catalog::Sourced<'_, catalog::GpuRow<'_>>>(
            "vgpu-bundler-catalog-gpus",
            "The GPUs, and the branches that support them.",
        ),
        of::<Matrix>("vgpu-bundler-catalog-matrix"),
        list::<catalog::Sourced<'_, &Patch>>("vgpu-bundler-catalog-patches", "The unlock patches."),
        of::<Verdicts<'_>>("vgpu-bundler-catalog-why"),
        list::<Change>("vgpu-bundler-diff", "The changes from one bundle to another."),
        of::<doctor::Answer>("vgpu-bundler-doctor"),
        of::<expand::Answer<'_>>("vgpu-bundler-expand"),
        list::<extract::Written<'_>>("vgpu-bundler-extract", "The extracted items."),
        of::<fetch::Report>("vgpu-bundler-fetch"),
        of::<Comparison>("vgpu-bundler-fleet-compare"),
        of::<fleet::Enrolled>("vgpu-bundler-fleet-enroll"),
        of::<fleet::ClusterMappings>("vgpu-bundler-fleet-mappings"),
        of::<init::Report<'_>>("vgpu-bundler-init"),
        of::<inspect::Report<'_>>("vgpu-bundler-inspect"),
        of::<key::Shown<'_>>("vgpu-bundler-key-generate"),
        of::<key::Known>("vgpu-bundler-key-list"),
        of::<key::Shown<'_>>("vgpu-bundler-key-show"),
        of::<update::Report<'_>>("vgpu-bundler-lock"),
        of::<policy::Written>("vgpu-bundler-policy-edit"),
        of::<policy::Written>("vgpu-bundler-policy-init"),
        of::<policy::Shown>("vgpu-bundler-policy-show"),
        of::<policy::Signed>("vgpu-bundler-policy-sign"),
        of::<prove::Report<'_>>("vgpu-bundler-prove"),
        of::<Schemas>("vgpu-bundler-schema"),
        of::<show::Shown<'_>>("vgpu-bundler-show"),
        of::<sign::Report<'_>>("vgpu-bundler-sign"),
        of::<update::Report<'_>>("vgpu-bundler-update"),
        of::<verify::Report<'_>>("vgpu-bundler-verify"),
        of::<write::Report>("vgpu-bundler-write"),
    ]
}

/// The verdict on a driver, or on each driver without `--driver` and `--passthrough`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the command prints one of them")]
enum Verdicts<'c> {
    One(Verdict<'c>),
    All(Vec<catalog::DriverVerdict<'c>>),
}

/// The names of all documents, or the schema of one.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the command prints one of them")]
enum Schemas {
    All(Vec<schema::Row>),
    One(Map<String, Value>),
}
