use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_manifest::mapping::MappingName;
use vgpu_manifest::printable;

use super::ReportArgs;
use crate::fleet::{ClusterMapping, mappings};
use crate::ui::{print, print_json};

#[derive(Debug, clap::Args)]
pub(super) struct Mappings {
    /// Reports of the nodes of one cluster
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<Utf8PathBuf>,

    /// Name for the GPUs of all these nodes, at whatever address they are [default: a mapping for
    /// each address, with the name that `vgpu-installer status` uses]
    #[arg(long, value_name = "NAME")]
    name: Option<MappingName>,

    #[command(flatten)]
    args: ReportArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The PCI mappings of a cluster.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Answer {
    /// The mappings.
    mappings: Vec<ClusterMapping>,
}

impl Mappings {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let mut reports = Vec::new();
        self.args.read(&self.reports, |_, report| {
            reports.push(report);
            Ok(())
        })?;
        let mappings = mappings(&reports, self.name.as_ref())?;
        if self.json {
            print_json(&Answer { mappings })?;
            return Ok(());
        }
        let lines = |mapping: ClusterMapping| {
            let nodes = format!("# {}: {}", mapping.name, mapping.nodes.join(", "));
            std::iter::once(nodes).chain(mapping.commands)
        };
        print(mappings.into_iter().flat_map(lines).map(|line| printable(&line)))?;
        Ok(())
    }
}
