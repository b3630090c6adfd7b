use super::*;

const HEAD: &str = "[vgpu]\ngpu = \"10de:1e07\"\ndriver = \"16.9\"\npve = \"8.4\"\n";

fn long_at(base: &Utf8Path, text: &str) -> anyhow::Result<LongForm> {
    let catalog = Catalog::embedded();
    let mirrors = |preset: Preset| match preset {
        Preset::Debian => vec!["https://mirror.example/debian".parse().unwrap()],
        _ => Vec::new(),
    };
    let surroundings = Surroundings { catalog: &catalog, mirrors: &mirrors };
    LongForm::of_text(&base.join("bundle.toml"), text, surroundings)
}

fn long(text: &str) -> anyhow::Result<LongForm> {
    long_at(Utf8Path::new(""), text)
}

fn recipe(text: &str) -> Recipe {
    long(text).unwrap().recipe("bundle.toml".into()).unwrap()
}

fn refusal(text: &str) -> String {
    let path = Utf8Path::new("bundle.toml");
    let refused = long(text).and_then(|long| long.recipe(path));
    format!("{:#}", refused.expect_err(text))
}

#[test]
fn four_lines_become_a_recipe() {
    let text = format!("{HEAD}licensing = \"fastapi-dls=registry.example/dls:2\"\n");
    let long = long(&text).unwrap();
    let recipe = long.recipe("bundle.toml".into()).unwrap();
    assert_eq!((recipe.name.as_str(), recipe.channel.as_str()), ("vgpu", "stable"));
    let names: Vec<_> = recipe.entries.iter().map(|entry| entry.name.as_str()).collect();
    let expected = [
        "driver/NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run",
        "driver/535.230.02.patch",
        "unlock/vgpu_unlock-rs.tar.zst",
        "unlock/libvgpu_unlock_rs.so",
        "licensing/fastapi-dls.tar",
        "catalog.sqlite",
    ];
    assert_eq!(names, expected);
    assert!(recipe.entries[1].sha256.is_some());
    assert!(recipe.host.iommu.is_some());
    let modprobe: Vec<_> = recipe.host.modprobe.iter().map(ToString::to_string).collect();
    assert_eq!(modprobe, ["blacklist nouveau", "options nouveau modeset=0"]);
    assert_eq!(recipe.targets.as_ref().unwrap().driver.to_string(), "16.9");
    // The long form is a recipe that means the same, and its own long form.
    let again = Recipe::of_text("bundle.toml".into(), long.text()).unwrap();
    assert_eq!(again, recipe);
    assert_eq!(super::tests::long(long.text()).unwrap().text(), long.text());
}

#[test]
fn explicit_entries_win() {
    let own = format!(
        "[bundle]\nname = \"mine\"\n{HEAD}inputs = \"nvidia\"\n[[file]]\nname = \"a\"\npath = \"a\"\n\
         [[driver]]\nname = \"driver/own.run\"\npath = \"own.run\"\n\
         [host]\nmodprobe = [\"options a b=1\"]\nkernel-words = [\"quiet\"]\n"
    );
    let found = recipe(&own);
    let names: Vec<_> = found.entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names[..3], ["a", "driver/own.run", "driver/535.230.02.patch"]);
    assert_eq!(found.entries[2].origin.to_string(), "nvidia/535.230.02.patch");
    let modprobe: Vec<_> = found.host.modprobe.iter().map(ToString::to_string).collect();
    assert_eq!(modprobe, ["options a b=1", "blacklist nouveau", "options nouveau modeset=0"]);
    assert_eq!((found.name.as_str(), found.host.kernel_words.len()), ("mine", 1));
    let targets = "[targets]\ngpu = [\"10de:1e04\"]\ndriver = \"16.8\"\n";
    let found = recipe(&format!("{own}{targets}"));
    assert_eq!(found.targets.unwrap().driver.to_string(), "16.8");
    // A recipe without the short form stays as it is.
    let plain = "[bundle]\nname = \"n\" # mine\n";
    assert_eq!(long(plain).unwrap().text(), plain);
}

#[test]
fn guest_drivers_come_from_the_archive_or_from_their_own_files() {
    let guest = "guest/NVIDIA-Linux-x86_64-535.230.02-grid.run";
    let found = recipe(&format!("{HEAD}guests = [\"linux\"]\n"));
    let entry = found.entries.iter().find(|it| it.name.as_str() == guest).unwrap();
    assert_eq!(entry.origin.to_string(), "inputs/NVIDIA-Linux-x86_64-535.230.02-grid.run");
    let archive = format!("{HEAD}driver-file = \"p.zip\"\nguests = [\"linux\", \"windows\"]\n");
    let found = recipe(&archive);
    let drivers = found.entries.iter().filter(|it| it.origin.to_string() == "p.zip");
    assert_eq!(drivers.count(), 3);
    let told = refusal(&format!("{HEAD}guests = [\"windows\"]\n"));
    assert!(told.contains("taken from the portal .zip"), "{told}");
}

#[test]
fn the_host_driver_of_ai_enterprise_keeps_its_name() {
    let usual = "driver/NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run";
    let enterprise = "driver/NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm-aie.run";
    for (file, name) in [
        ("own/NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm-aie.run", enterprise),
        ("NVIDIA-AI-Enterprise-Linux-KVM-535.230.02-535.230.02-539.19.zip", enterprise),
        ("NVIDIA-GRID-Linux-KVM-535.230.02-535.230.02-539.19.zip", usual),
        ("own.run", usual),
    ] {
        let found = recipe(&format!("{HEAD}driver-file = \"{file}\"\n"));
        let entry = found.entries.iter().find(|it| it.origin.to_string() == file).unwrap();
        assert_eq!(entry.name.as_str(), name);
    }
}

#[test]
fn known_archives_have_suites_keys_and_mirrors() {
    let packages = "[packages]\narchives = [\"debian\", \"pve-no-subscription\"]\ninstall = [\"vim\"]\n\
                    pve-no-subscription.mirror = \"http://pve.example/debian/pve/\"\n";
    let text = format!("{HEAD}{packages}");
    let long = long(&text).unwrap();
    let recipe = long.recipe("bundle.toml".into()).unwrap();
    let [apt] = &recipe.apt[..] else { panic!("{recipe:?}") };
    let names: Vec<_> = apt.archives.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["bookworm", "bookworm-updates", "pve-no-subscription"]);
    let [debian, updates, pve] = &apt.archives[..] else { panic!("{apt:?}") };
    assert_eq!(debian.mirrors[0].to_string(), "https://mirror.example/debian");
    assert_eq!((debian.signed_by.len(), updates.signed_by.len()), (2, 1));
    assert_eq!(
        (pve.suite.as_str(), pve.components[0].as_str()),
        ("bookworm", "pve-no-subscription")
    );
    let url = "http://pve.example/debian/proxmox-release-bookworm.gpg".parse().unwrap();
    assert_eq!(pve.keyring, recipe::Keyring::Found(vec![url]));
    assert_eq!(debian.keyring, recipe::Keyring::Found(Vec::new()));
    let install: Vec<_> = apt.install.iter().map(ToString::to_string).collect();
    assert!(install.contains(&"dkms".to_owned()) && install.ends_with(&["vim".to_owned()]));
    assert_eq!(Recipe::of_text("bundle.toml".into(), long.text()).unwrap(), recipe);

    // A mirror that signs the archive itself.
    let own = format!(
        "{text}debian = {{ mirror = \"file:/srv/debian\", keyring = \"own.gpg\", signed-by = \"{}\" }}\n",
        "A".repeat(40)
    );
    let own = super::tests::recipe(&own);
    assert_eq!(own.apt[0].archives[1].keyring, recipe::Keyring::File("own.gpg".parse().unwrap()));
    assert_eq!(own.apt[0].archives[1].signed_by[0].as_str(), "A".repeat(40));

    let told = refusal(&text.replace("no-subscription.mirror", "no-subscription.keyring"));
    assert!(told.contains("no mirror of the archive `pve-no-subscription` is known"), "{told}");
    let told = refusal(
        &text
            .replace("\"debian\", ", "")
            .replace("install", "debian.mirror = \"file:/a\"\ninstall"),
    );
    assert!(told.contains("describes `debian`, which `archives` does not list"), "{told}");
    let told = refusal(&text.replace("pve = \"8.4\"\n", ""));
    assert!(told.contains("needs the Proxmox VE release"), "{told}");
}

#[test]
fn an_explicit_table_of_packages_wins() {
    let text = format!(
        "{HEAD}[packages]\narchives = [\"debian\"]\n[[apt]]\nrelease = \"bookworm\"\ninstall = [\"vim\"]\n\
         [[apt.archive]]\nname = \"own\"\nmirror = \"file:/a\"\ncomponents = [\"main\"]\nsigned-by = \"{}\"\n",
        "A".repeat(40)
    );
    let found = recipe(&text);
    assert_eq!((found.apt.len(), found.apt[0].archives[0].name.as_str()), (1, "own"));
}

#[test]
fn passthrough_needs_neither_driver_nor_packages() {
    let text = HEAD.replace("16.9", "passthrough") + "[packages]\narchives = [\"debian\"]\n";
    let found = recipe(&text);
    assert_eq!((found.entries.len(), found.apt.len()), (1, 0));
    assert!(found.targets.is_none() && !found.host.modules.is_empty());
}

#[test]
fn every_fault_names_its_line_and_its_field() {
    let cases = [
        (HEAD.replace("16.9", "1.0"), "line 1: ", "no host driver of vGPU 1.0"),
        (HEAD.replace("\"16.9\"", "16"), "line 3: ", "`driver`: "),
        (HEAD.replace("driver =", "drivr ="), "line 3: ", "unknown field `drivr`"),
        (HEAD.replace("gpu = \"10de:1e07\"\n", ""), "line 1: ", "must name its `gpu`"),
        (format!("{HEAD}node = \"none.json\"\n"), "line 1: ", "the inventory `none.json`"),
        (format!("{HEAD}[[fil]]\n"), "line 5: ", "unknown field `fil`"),
        (format!("{HEAD}[[file]]\nname = \"a\"\n"), "line 5: ", "needs either `path` or `url`"),
        (format!("{HEAD}\n[[apt]]\nupgrades = 1\n"), "line 6: ", "`upgrades`: "),
        ("[packages]\narchives = []\n".to_owned(), "line 1: ", "`[packages]` needs `[vgpu]`"),
        (format!("{HEAD}[packages]\narchives = [\"ubuntu\"]\n"), "line 6: ", "a known archive"),
    ];
    for (text, line, says) in cases {
        let told = refusal(&text);
        assert!(told.contains(line) && told.contains(says), "{told}\n{text}");
    }
}
