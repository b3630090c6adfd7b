use clap::Parser as _;

use super::*;
use crate::cli::exit;
use crate::recipe::Recipe;

#[derive(clap::Parser)]
struct Only {
    #[command(flatten)]
    args: Args,
}

fn parsed(words: &[&str]) -> Args {
    Only::parse_from([&["init", "--name", "node"], words].concat()).args
}

fn draft(words: &[&str]) -> anyhow::Result<String> {
    let args = parsed(words);
    let catalog = Catalog::embedded();
    let inventory = args.machine.inventory()?;
    let proposal = args.proposal(&catalog, inventory.as_ref())?;
    let packages = Packages::of(&args, proposal.as_ref(), inventory.as_ref())?;
    let name = args.name.clone().unwrap();
    text::recipe(&args, &name, proposal.as_ref(), packages.as_ref())
}

fn text(words: &[&str]) -> String {
    draft(words).unwrap()
}

fn read(text: &str) -> Recipe {
    let catalog = Catalog::embedded();
    let surroundings = Surroundings { catalog: &catalog, mirrors: &|_| Vec::new() };
    let path = "bundle.toml".into();
    LongForm::of_text(path, text, surroundings).unwrap().recipe(path).unwrap()
}

#[test]
fn what_was_asked_for_stands_in_the_recipe() {
    let words = [
        "--file",
        "a.run=https://example.org/a b.run?x=\"y\"",
        "--file",
        "b=dir/b's \\ \"file\"",
        "--tree",
        "c.tar.zst=c",
        "--iommu",
        "--kernel-word",
        "a=1",
        "--kernel-word",
        "b",
        "--module",
        "vfio",
        "--modprobe",
        "blacklist nouveau",
    ];
    let recipe = read(&text(&words));
    assert_eq!(recipe.entries.len(), 4);
    assert_eq!(recipe.entries[1].origin.to_string(), "dir/b's \\ \"file\"");
    assert!(recipe.host.iommu.is_some());
    assert_eq!((recipe.host.kernel_words.len(), recipe.host.modules.len()), (2, 1));
}

#[test]
fn a_recipe_for_a_machine_has_ten_lines() {
    let machine = ["--gpu", "10de:1e07", "--pve", "8.4", "--kernel", "6.8.12-43-pve"];
    let text = text(&[&machine[..], &["--driver", "16.9", "--module", "dummy"]].concat());
    let recipe = read(&text);
    let names: Vec<_> = recipe.entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "driver/NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run",
            "driver/535.230.02.patch",
            "unlock/vgpu_unlock-rs.tar.zst",
            "unlock/libvgpu_unlock_rs.so",
            "catalog.sqlite"
        ]
    );
    assert!(recipe.host.iommu.is_some());
    assert_eq!((recipe.host.modules.len(), recipe.host.modprobe.len()), (1, 2));
    let lines: Vec<_> = text.lines().filter(|it| !it.is_empty() && !it.starts_with('#')).collect();
    let expected = [
        "[bundle]",
        "name = \"node\"",
        "[vgpu]",
        "gpu = \"10de:1e07\"",
        "driver = \"16.9\"",
        "pve = \"8.4\"",
        "kernel = \"6.8.12-43-pve\"",
        "[host]",
        "modules = [\"dummy\"]",
    ];
    assert_eq!(lines, expected);
    let usual = "# archives = [\"debian\", \"debian-security\", \"pve-no-subscription\"]";
    assert!(text.contains("# UNKNOWN MIRRORS") && text.contains(usual), "{text}");
}

#[test]
fn the_examples_in_it_are_right() {
    let bare = text(&[]);
    assert_eq!(read(&bare).entries.len(), 1);
    let live: String = bare
        .lines()
        .skip_while(|line| !line.starts_with("# [[driver]]"))
        .filter(|line| !line.contains('…') && !line.starts_with("# path = \"inputs/tool"))
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| rest.contains(['=', '['])).unwrap_or(line)
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let live = live.replacen("max-size", "url = \"https://example.org/\"\nmax-size", 1);
    let live = live.replace("item = \"files/site.conf\"", "item = \"driver/host.run\"");
    let live = live.replace("item = \"units/vgpu-sriov.service\"", "item = \"driver/host.run\"");
    let live = live.replace("item = \"units/unlock.conf\"", "item = \"driver/host.run\"");
    let live = live.replace("item = \"guest/tool\"", "item = \"driver/host.run\"");
    let recipe = read(&live);
    assert_eq!(recipe.entries.len(), 8, "{live}");
    assert_eq!(crate::lock::host_changes(&recipe.host).len(), 8, "{live}");
}

const NODE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/it/inventory/golden/script-leftovers.json");

#[test]
fn mirrors_of_a_node_are_used_only_on_request() {
    let comments = text(&["--inventory", NODE]);
    assert!(read(&comments).apt.is_empty() && comments.contains("# UNCONFIRMED MIRRORS"));
    // The commented table is correct.
    let (before, hidden) = comments.split_once("the leading `# `:\n").unwrap();
    let shown: String =
        hidden.lines().flat_map(|line| [line.get(2..).unwrap_or_default(), "\n"]).collect();
    let taken = text(&["--inventory", NODE, "--accept-mirrors"]);
    assert_eq!(read(&format!("{before}\n{shown}")), read(&taken));
    let [apt] = &read(&taken).apt[..] else { panic!("{taken}") };
    let names: Vec<_> = apt.archives.iter().map(|it| it.name.as_str()).collect();
    let expected = ["bookworm", "bookworm-updates", "bookworm-security", "pve-no-subscription"];
    assert_eq!(names, expected);
    let install: Vec<_> = apt.install.iter().map(ToString::to_string).collect();
    let headers = ["proxmox-headers-6.5.13-6-pve", "proxmox-headers-6.5"];
    assert!(headers.iter().all(|name| install.iter().any(|it| it == name)), "{install:?}");
    assert!(!install.iter().any(|name| name.contains("-kernel-")), "{install:?}");
    assert!(matches!(&apt.node, crate::recipe::Node::Inventory(path) if path.to_string() == NODE));
}

#[test]
fn keys_and_mirrors_can_be_given_and_must_fit() {
    let key = format!("debian=keys/debian.gpg={}", "A".repeat(40));
    let mirror = ["--mirror", "debian=https://other.example/debian"];
    let given = text(&[&["--inventory", NODE, "--archive-key", &key], &mirror[..]].concat());
    let recipe = read(&given);
    let [archive, _] = &recipe.apt[0].archives[..] else { panic!("{given}") };
    assert_eq!(archive.mirrors[0].to_string(), "https://other.example/debian");
    assert_eq!(archive.signed_by[0].as_str(), "A".repeat(40));
    let both = text(&[&["--inventory", NODE, "--accept-mirrors"], &mirror[..]].concat());
    let both = read(&both);
    let first = &both.apt[0].archives[0].mirrors[0];
    assert_eq!((both.apt[0].archives.len(), first.to_string().contains("other")), (4, true));
    let other = format!("pve-enterprise=k={}", "A".repeat(40));
    for wrong in [
        &["--gpu", "1eb8", "--pve", "8.4", "--archive-key", &other][..],
        &["--inventory", NODE, "--passthrough", mirror[0], mirror[1]],
    ] {
        assert_eq!(exit::status(&draft(wrong).unwrap_err()), Exit::Usage, "{wrong:?}");
    }
}

#[test]
fn licenses_are_in_a_recipe_only_on_request() {
    for words in [&[][..], &["--licensing", "none"]] {
        let bare = text(words);
        assert!(!bare.to_lowercase().contains("dls"), "{bare}");
    }
    let theirs = text(&["--licensing", "nvidia-dls"]);
    assert!(theirs.contains("# NVIDIA's own Delegated") && read(&theirs).entries.len() == 1);
    let other = text(&["--licensing", "fastapi-dls"]);
    assert!(other.contains("# FastAPI-DLS is third-party software"), "{other}");
    let [image, _] = &read(&other).entries[..] else { panic!("{other}") };
    assert_eq!(image.name.as_str(), "licensing/fastapi-dls.tar");
}

#[test]
fn the_command_line_that_is_shown_says_all_of_it() {
    let key = format!("--archive-key=debian=keys/a.gpg={}", "A".repeat(40));
    let words = [
        "--recipe=-x y'z.toml",
        "--channel=test",
        "--file=a=https://a.example/?b=c",
        "--file=b=dir/b",
        "--tree=c.tar.zst=c",
        "--inventory=node.json",
        "--kernel=6.8.12-43-pve",
        "--pve=8.4",
        "--secure-boot=on",
        "--boot-loader=grub",
        "--root=zfs",
        "--pool=classic",
        "--cpu=amd",
        "--gpu=1eb8",
        "--gpu=10de:1e07",
        "--driver=18.4",
        "--driver-file=-d.run",
        "--accept-mirrors",
        "--mirror=pve-enterprise=https://a.example/pve",
        &key,
        "--licensing=fastapi-dls=registry.example/dls:1",
        "--iommu",
        "--kernel-word=a=1",
        "--module=vfio",
        "--modprobe=blacklist nouveau",
        "--json",
        "--no-input",
    ];
    let args = parsed(&words);
    let again = command::words(&args);
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    let reread = Only::parse_from([&["init"], &again[..]].concat()).args;
    assert_eq!(format!("{args:?}"), format!("{reread:?}"));
    let line = command::line(&args);
    assert!(
        line.starts_with(r"vgpu-bundler init '--recipe=-x y'\''z.toml' --name node "),
        "{line}"
    );
}
