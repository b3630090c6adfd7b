//! One mapping of the cluster for the GPUs of all nodes: a pure function.

use anyhow::anyhow;
use serde::Serialize;
use vgpu_manifest::mapping::{MappingName, NodeMapping};
use vgpu_manifest::ui::Exit;

use super::Report;
use crate::ui::Advise as _;

/// A mapping, and the nodes with its devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ClusterMapping {
    /// The name of the mapping.
    pub(crate) name: MappingName,
    /// The nodes in it.
    pub(crate) nodes: Vec<String>,
    /// The commands, for one of the nodes; a line that begins with `#` is a note.
    pub(crate) commands: Vec<String>,
}

/// Returns the mappings of these nodes: one for each name that the nodes propose, or one of this
/// name for all their GPUs.
///
/// # Errors
///
/// A report has no devices, or a mapping would have different GPUs.
pub(crate) fn mappings(
    reports: &[Report],
    name: Option<&MappingName>,
) -> anyhow::Result<Vec<ClusterMapping>> {
    let mut found: Vec<(NodeMapping, Vec<String>)> = Vec::new();
    for report in reports {
        if report.mappings.is_empty() {
            return Err(anyhow!("the report of {} has no devices for a mapping", report.node))
                .hint(
                    "write it again with `vgpu-installer report`, once `status` lists vGPU types \
                     there; mappings exist from Proxmox VE 8.0 on",
                );
        }
        for mapping in &report.mappings {
            let mut mapping = mapping.clone();
            if let Some(name) = name.filter(|name| **name != mapping.name) {
                // The cluster's mapping of another name says nothing about this one.
                mapping.cluster = None;
                mapping.name = name.clone();
            }
            let Some((all, nodes)) = found.iter_mut().find(|(all, _)| all.name == mapping.name)
            else {
                found.push((mapping, vec![report.node.clone()]));
                continue;
            };
            check_same_gpu(all, &mapping)?;
            all.add(mapping);
            if nodes.last() != Some(&report.node) {
                nodes.push(report.node.clone());
            }
        }
    }
    let answer = |(mapping, nodes): (NodeMapping, Vec<String>)| {
        let commands = mapping.commands();
        ClusterMapping { name: mapping.name, nodes, commands }
    };
    Ok(found.into_iter().map(answer).collect())
}

/// Checks that a guest gets the same kind of device on each node.
fn check_same_gpu(all: &NodeMapping, other: &NodeMapping) -> anyhow::Result<()> {
    let (Some(one), Some(other)) = (all.maps.first(), other.maps.first()) else { return Ok(()) };
    if one.get("id") == other.get("id") {
        return Ok(());
    }
    let of = |map: &vgpu_manifest::mapping::Map| {
        format!("{} on {}", map.get("id").escape_debug(), map.get("node").escape_debug())
    };
    let (name, one, other) = (&all.name, of(one), of(other));
    let message = format!("the mapping {name} would have different GPUs: {one}, and {other}");
    Err(Exit::Differs.error(message))
        .hint("pass the reports of identical nodes only, and give each group a `--name`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(node: &str, gpus: &[(&str, &str)]) -> Report {
        let mapping = |(address, id): &(&str, &str)| {
            serde_json::from_value(json!({
                "name": format!("vgpu-{}", address.replace([':', '.'], "-")),
                "maps": [format!("node={node},path={address},id={id}")],
                "cluster": null,
                "knows-migration": false,
            }))
            .unwrap()
        };
        let mut report = Report::of(node, &json!({}));
        report.mappings = gpus.iter().map(mapping).collect();
        report
    }

    const T4: (&str, &str) = ("0000:81:00.0", "10de:1eb8");
    const ELSEWHERE: (&str, &str) = ("0000:c1:00.0", "10de:1eb8");
    const A40: (&str, &str) = ("0000:81:00.0", "10de:2235");

    #[test]
    fn identical_nodes_have_one_mapping_for_each_gpu() {
        let reports = [report("pve1", &[T4, ELSEWHERE]), report("pve2", &[T4, ELSEWHERE])];
        let found = mappings(&reports, None).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].nodes, ["pve1", "pve2"]);
        let maps = "--map node=pve1,path=0000:81:00.0,id=10de:1eb8 \
                    --map node=pve2,path=0000:81:00.0,id=10de:1eb8";
        assert!(found[0].commands[0].ends_with(maps), "{:?}", found[0].commands);
    }

    #[test]
    fn a_name_collects_the_gpus_at_all_addresses() {
        let reports = [report("pve1", &[T4, ELSEWHERE]), report("pve2", &[ELSEWHERE])];
        let found = mappings(&reports, Some(&"t4".parse().unwrap())).unwrap();
        assert_eq!(found.len(), 1);
        let [command] = &found[0].commands[..] else { panic!("{found:?}") };
        assert!(command.contains("--id t4 ") && command.matches("--map").count() == 3, "{command}");
        assert_eq!(found[0].nodes, ["pve1", "pve2"]);
    }

    #[test]
    fn different_gpus_and_nodes_without_devices_are_named() {
        let said = |reports: &[Report]| format!("{:#}", mappings(reports, None).unwrap_err());
        let found = said(&[report("pve1", &[T4]), report("pve2", &[A40])]);
        assert!(found.contains("10de:1eb8 on pve1, and 10de:2235 on pve2"), "{found}");
        let found = said(&[report("pve1", &[T4]), report("pve2", &[])]);
        assert!(found.contains("report of pve2 has no devices"), "{found}");
    }
}
