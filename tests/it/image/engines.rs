//! Container engines that load an image.

use std::process::{Command, Stdio};

use camino::Utf8Path;
use serde_json::Value;
use vgpu_manifest::Digest;
use vgpu_tests::oci::{Podman, accepted_by_pve};
use vgpu_tests::scratch::{Said, run};
use vgpu_tests::skip::have;

use crate::image::each::{ALL, each};
use crate::image::pulled::Scene;
use crate::image::tools;

fn ok(command: Command) -> String {
    let words = format!("{command:?}");
    let Said { code, out, err } = run(command);
    assert_eq!(code, Some(0), "{words}\n{out}{err}");
    out
}

fn skopeo(words: &[&str]) -> Command {
    let mut command = Command::new("skopeo");
    command.arg("--insecure-policy").args(words).stdin(Stdio::null());
    command
}

#[test]
fn podman_loads_it_by_its_name_with_every_file() {
    if !tools() || !have("podman") {
        return;
    }
    let scene = Scene::new();
    let podman = Podman::new(&scene.scratch.path("podman"));
    each(&scene, ALL, |archive, name, count| {
        let said = podman.ok(&["load", "--input", archive.as_str()]);
        assert_eq!(said.trim(), format!("Loaded image: {name}"));
        let accepted = accepted_by_pve(archive).unwrap();
        let inspected = podman.ok(&["image", "inspect", name]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        let image = &inspected[0];
        assert_eq!(image["Digest"], format!("sha256:{}", accepted.manifest));
        assert_eq!(image["RootFS"]["Layers"], accepted.config["rootfs"]["diff_ids"]);
        assert_eq!(image["Config"]["Entrypoint"][0], "/bin/true");
        // The container has the files of its layers.
        let place = podman.ok(&["image", "mount", name]);
        let place = Utf8Path::new(place.trim());
        for n in 1..=count {
            assert_eq!(std::fs::metadata(place.join(format!("layers/{n}"))).unwrap().len(), 8000);
        }
        let last = std::fs::read_to_string(place.join("etc/last")).unwrap();
        assert_eq!(last, format!("{count}\n"));
        podman.ok(&["image", "unmount", name]);
    });
}

#[test]
fn skopeo_takes_it_as_ocis_and_as_dockers() {
    if !tools() {
        return;
    }
    let scene = Scene::new();
    each(&scene, ALL, |archive, _, count| {
        let accepted = accepted_by_pve(archive).unwrap();
        let source = format!("oci-archive:{archive}");
        let inspected: Value = serde_json::from_str(&ok(skopeo(&["inspect", &source]))).unwrap();
        assert_eq!(inspected["Digest"], format!("sha256:{}", accepted.manifest));
        assert_eq!(inspected["Layers"].as_array().unwrap().len(), count);
        assert_eq!(inspected["Architecture"], "amd64");
        let layers = |to: &Utf8Path| {
            let manifest = std::fs::read(to.join("manifest.json")).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            manifest["layers"].as_array().unwrap().len()
        };
        let to = scene.scratch.path(&format!("oci-{count}"));
        ok(skopeo(&["copy", "--quiet", &source, &format!("dir:{to}")]));
        assert_eq!(layers(&to), count);
        for layer in &accepted.layers {
            assert!(std::fs::read(to.join(Digest::of(layer).to_string())).unwrap() == *layer);
        }
        let to = scene.scratch.path(&format!("docker-{count}"));
        ok(skopeo(&[
            "copy",
            "--quiet",
            &format!("docker-archive:{archive}"),
            &format!("dir:{to}"),
        ]));
        assert_eq!(layers(&to), count);
    });
}
