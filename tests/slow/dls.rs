//! The stand-in for the license server, from a registry through a bundle into podman, which runs
//! it.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use camino::Utf8Path;
use vgpu_tests::dls::{Generation, Service, check_token, tools};
use vgpu_tests::oci::{Format, Layout, Podman, Registry, accepted_by_pve};
use vgpu_tests::scratch::{Scratch, expect, run};
use vgpu_tests::skip::have;

#[test]
fn its_image_goes_from_a_registry_through_a_bundle_into_podman() {
    let needed = ["docker-registry", "skopeo", "podman", "runc", "curl"];
    if !tools() || !needed.into_iter().all(have) {
        return;
    }
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let registry = Registry::start(&scratch.path("registry")).unwrap();
    let mut recipe = "[bundle]\nname = \"dls\"\nchannel = \"stable\"\n".to_owned();
    for (generation, tag, format) in
        [(Generation::One, "1.5.2", Format::Docker), (Generation::Two, "2.0.3", Format::Oci)]
    {
        let image = generation.image().unwrap();
        let layout = Layout::of_image(&scratch.path(tag), tag, &image).unwrap();
        registry.push(&layout, tag, "team/fastapi-dls", format).unwrap();
        let name = format!("{}/team/fastapi-dls:{tag}", registry.host());
        let item = format!("licensing/dls-{tag}.tar");
        recipe.push_str(&image_of(&item, &name));
    }
    scratch.write("bundle.toml", recipe);
    expect(scratch.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
    expect(scratch.bundler(&["build"]), 0);
    expect(scratch.bundler(&["extract", "dls-1.vgpu.tar", "-o", scratch.path("out").as_str()]), 0);
    let podman = Podman::new(&scratch.path("podman"));
    for (generation, tag) in [(Generation::One, "1.5.2"), (Generation::Two, "2.0.3")] {
        let archive = scratch.path(&format!("out/licensing/dls-{tag}.tar"));
        let accepted = accepted_by_pve(&archive).unwrap();
        assert_eq!(accepted.config["config"]["Entrypoint"][0], "uvicorn");
        podman.ok(&["load", "--quiet", "--input", archive.as_str()]);
        let name = format!("{}/team/fastapi-dls:{tag}", registry.host());
        serves(&scratch.path(&format!("node-{tag}")), &podman, &name, generation);
    }
}

fn image_of(item: &str, name: &str) -> String {
    format!("[[image]]\nname = \"{item}\"\nimage = \"{name}\"\ntransport = \"plain-http\"\n")
}

/// Runs the container as a node would, and gets a token from it.
fn serves(folder: &Utf8Path, podman: &Podman, name: &str, generation: Generation) {
    let [cert, database] = ["cert", "database"].map(|part| folder.join(part));
    generation.prepare(&cert, "IP:127.0.0.1").unwrap();
    fs::create_dir_all(&database).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port_text = port.to_string();
    let container = format!("dls-{port}");
    let start = || {
        let mut command = podman.run(&["--detach", "--name", &container, "--network", "host"]);
        command.args(["--read-only", "--security-opt", "no-new-privileges", "--cap-drop", "all"]);
        command.args(["--memory", "256m", "--volume", &format!("{cert}:/app/cert")]);
        command.args(["--volume", &format!("{database}:/app/database")]);
        command.args(["--env", "DLS_URL=127.0.0.1", "--env", &format!("DLS_PORT={port}")]);
        // The last value wins, and root is not required.
        expect(command_with(command, &[name, "--port", &port_text]), 0);
        Service::at(port, &cert.join("webserver.crt"))
    };
    let stop = || podman.ok(&["rm", "--force", "--time", "10", &container]);
    let service = start().unwrap_or_else(|error| {
        let log = run(podman.command(&["logs", &container]));
        stop();
        panic!("{error}: {log:?}");
    });
    let token = service.get("/-/client-token").unwrap();
    assert_eq!(check_token(&token, generation, &cert, &service)["port"], port);
    stop();
    // A new container with the old folders is the same service.
    let service = start().unwrap();
    check_token(&token, generation, &cert, &service);
    stop();
    assert!(service.get("/-/health").is_err());
}

fn command_with(mut command: Command, words: &[&str]) -> Command {
    command.args(words);
    command
}
