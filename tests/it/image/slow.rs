//! Docker, whose daemon starts slowly.

use serde_json::Value;
use vgpu_tests::oci::{Docker, accepted_by_pve};
use vgpu_tests::skip::have;

use crate::image::each::{OLD, each};
use crate::image::pulled::Scene;
use crate::image::tools;

#[test]
fn a_docker_that_knows_no_oci_layout_loads_it_too() {
    if !tools() || !have("dockerd") || !have("docker") {
        return;
    }
    let scene = Scene::new();
    let docker = Docker::start(&scene.scratch.path("docker")).unwrap();
    each(&scene, OLD, |archive, name, count| {
        let accepted = accepted_by_pve(archive).unwrap();
        let said = docker.ok(&["load", "--input", archive.as_str()]);
        assert!(said.contains(&format!("Loaded image: {name}")), "{said}");
        let inspected = docker.ok(&["image", "inspect", name]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        let image = &inspected[0];
        assert_eq!(image["RootFS"]["Layers"], accepted.config["rootfs"]["diff_ids"]);
        assert_eq!(image["RootFS"]["Layers"].as_array().unwrap().len(), count);
        assert_eq!(image["Config"]["Entrypoint"][0], "/bin/true");
    });
}
