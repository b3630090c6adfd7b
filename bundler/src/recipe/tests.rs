use std::fs;

use super::*;
use crate::types::git::Part;

const GOOD: &str = r#"
        [bundle]
        name = "node"
        channel = "stable"

        [[file]]
        name = "b.conf"
        path = "files/b.conf"

        [[tree]]
        name = "src/unlock.tar.zst"
        path = "unlock"
        exclude = [".git"]

        [[file]]
        name = "driver.run"
        url = ["https://a.example/d.run", "http://b.example/d.run"]
        sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        max-size = "2 GiB"
        mode = "0755"

        [host]
        iommu = "on"
        kernel-words = ["quiet"]
        modules = ["vfio_pci"]
        modprobe = ["blacklist nouveau"]

        [[host.file]]
        item = "b.conf"
        path = "/etc/b.conf"
    "#;

#[test]
fn items_keep_the_order_in_which_they_stand() {
    let recipe = Recipe::parse(GOOD).unwrap();
    let names: Vec<_> = recipe.entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["b.conf", "src/unlock.tar.zst", "driver.run", CATALOG]);
    assert_eq!(recipe.entries[2].max_size.bytes(), 2 << 30);
    assert!(matches!(&recipe.entries[2].origin, Origin::Url { urls } if urls.len() == 2));
    assert_eq!(recipe.host.files.len(), 1);
}

#[test]
fn a_patch_knows_its_driver() {
    let head = "[bundle]\nname = \"n\"\nchannel = \"c\"\n";
    let driver = |name: &str| format!("[[driver]]\nname = \"{name}\"\npath = \"a.zip\"\n");
    let guest = driver("g.run") + "kind = \"guest\"\n";
    let patch = "[[patch]]\nname = \"p\"\npath = \"p.patch\"\n";
    let text = format!("{head}{patch}{}{guest}", driver("h.run"));
    let recipe = Recipe::parse(&text).unwrap();
    assert_eq!(recipe.entries[0].role, Role::Patch { of: "h.run".parse().unwrap() });
    assert_eq!(recipe.entries[1].role, Role::Driver(DriverKind::Host));
    assert_eq!(recipe.entries[2].role, Role::Driver(DriverKind::Guest));
    assert_eq!(recipe.entries[1].mode, ItemMode::Executable);
    let message = |text: &str| Recipe::parse(text).unwrap_err().what;
    assert!(message(&format!("{head}{patch}")).contains("must name its `driver`"));
    let two = format!("{head}{}{}{patch}", driver("h.run"), driver("i.run"));
    assert!(message(&two).contains("must name its `driver`"));
    assert!(Recipe::parse(&format!("{two}driver = \"i.run\"\n")).is_ok());
    assert!(message(&format!("{two}driver = \"j.run\"\n")).contains("has no driver `j.run`"));
    assert!(message(&format!("{head}{guest}kind = \"x\"\n")).contains("duplicate key"));
}

#[test]
fn an_image_says_how_it_is_asked_for() {
    let head = "[bundle]\nname = \"n\"\nchannel = \"c\"\n[[image]]\nname = \"dls.tar\"\n";
    let parse = |rest: &str| Recipe::parse(&format!("{head}{rest}"));
    let named = "image = \"registry.example/dls:2.0.3\"\n";
    let usual = parse(named).unwrap();
    let same = parse(&format!("{named}platform = \"linux/amd64\"\ntransport = \"https\"\n"));
    assert_eq!(same.unwrap().digest(), usual.digest());
    let plain = parse(&format!("{named}transport = \"plain-http\"\n")).unwrap();
    assert_ne!(plain.digest(), usual.digest());
    let cases = [
        ("", "`dls.tar` needs `image`, its name in a registry, or `path`"),
        ("path = \"a.tar\"\nmirror = [\"a.example\"]", "are for registries, but `path`"),
        ("path = \"a.tar\"\ntransport = \"https\"", "are for registries, but `path`"),
        ("path = \"a.tar\"\nimage = \"dls:1\"", "does not begin with a registry"),
        ("image = \"dls:2.0.3\"", "does not begin with a registry"),
        ("image = \"registry.example/dls\"", "neither a tag nor a digest"),
        (&format!("{named}platform = \"amd64\""), "is not a platform"),
        (&format!("{named}transport = \"http\""), "unknown variant `http`"),
        (&format!("{named}mirror = [\"http://a.example\"]"), "is not a registry"),
        (&format!("{named}sha256 = \"\""), "unknown field `sha256`"),
    ];
    for (rest, word) in cases {
        let what = parse(rest).unwrap_err().what;
        assert!(what.contains(word), "{rest}: {what}");
    }
    assert!(parse("path = \"layout\"").is_ok());
    assert!(parse(&format!("{named}path = \"a.tar\"")).is_ok());
    let what = Recipe::parse(&format!("{head}{named}").replace("dls.tar", "dls.tgz"));
    assert!(what.unwrap_err().what.contains("must end in `.tar`"));
}

#[test]
fn a_fork_follows_from_the_driver() {
    let head = "[bundle]\nname = \"n\"\nchannel = \"c\"\n[[unlock]]\nname = \"u/src.tar.zst\"\n";
    let targets = |driver: &str, pve: &str| {
        format!("[targets]\ngpu = [\"10de:1e30\"]\ndriver = \"{driver}\"\n{pve}\n")
    };
    let recipe = Recipe::parse(&format!("{head}{}", targets("19.4", "pve = \"8.2\""))).unwrap();
    let names: Vec<_> = recipe.entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["u/src.tar.zst", "u/libvgpu_unlock_rs.so", CATALOG]);
    let message = recipe.entries[0].origin.to_string();
    assert!(message.contains("rbqvq/vgpu_unlock-rs at commit `5ad3ee6"), "{message}");
    let glibc = |recipe: &Recipe| match recipe.entries[1].role {
        Role::Library { glibc, .. } => glibc.to_string(),
        ref other => format!("{other:?}"),
    };
    assert_eq!(glibc(&recipe), "2.36");
    let commit = format!("git = \"a\"\ncommit = \"{}\"\n", "1".repeat(40));
    assert_eq!(glibc(&Recipe::parse(&format!("{head}{commit}")).unwrap()), "2.31");
    let node = Recipe::parse(&format!("{head}{commit}build = \"node\"\n")).unwrap();
    assert_eq!(node.entries.len(), 2);

    let message = |text: String| Recipe::parse(&text).unwrap_err().what;
    assert!(message(head.to_owned()).contains("`[targets]` must name the driver"));
    assert!(message(format!("{head}git = \"a\"\n")).contains("exactly one of `commit`"));
    let new = format!("{head}{commit}glibc = \"2.36\"\n{}", targets("16.9", "pve = \"7.4\""));
    assert!(message(new).contains("Proxmox VE 7.4 has glibc 2.31"));
    let both = format!("{head}{commit}build = \"node\"\nlibrary = \"l.so\"\n");
    assert!(message(both).contains("omit `library`"));
    let name = head.replace(".zst", "") + &commit;
    assert!(message(name).contains("must end in `.tar.zst`"));
}

#[test]
fn a_part_of_a_repository_is_an_item() {
    let commit = "ab".repeat(20);
    let tree = format!("git = 'https://git.example/a'\ncommit = '{commit}'\nfolder = 'src'");
    let recipe = Recipe::parse(&GOOD.replace("path = \"unlock\"", &tree)).unwrap();
    let Origin::Git(origin) = &recipe.entries[1].origin else { panic!("{recipe:?}") };
    assert_eq!(origin.revision.commit().map(ToString::to_string), Some(commit));
    assert!(matches!(&origin.part, Part::Folder { path: Some(_), exclude } if exclude.len() == 1));

    let head = "[bundle]\nname = \"n\"\nchannel = \"c\"\n[[driver]]\nname = \"d\"\npath = \"d\"\n";
    let patch = "[[patch]]\nname = \"p\"\ngit = \"patches\"\nbranch = \"main\"\n";
    let recipe = Recipe::parse(&format!("{head}{patch}file = \"a/1.2.3.patch\"\n")).unwrap();
    let Origin::Git(origin) = &recipe.entries[1].origin else { panic!("{recipe:?}") };
    assert!(matches!(&origin.part, Part::File(file) if file.as_str() == "a/1.2.3.patch"));
    let settled = recipe.settled(|_| Ok::<_, ()>(Origin::Catalog)).unwrap();
    assert_eq!(settled.digest(), recipe.digest());
    assert_ne!(settled.entries, recipe.entries);
    let message = |text: &str| Recipe::parse(text).unwrap_err().what;
    assert!(message(&format!("{head}{patch}")).contains("`file` must name the file"));
    assert!(message(&format!("{head}{patch}path = \"p\"\n")).contains("`path`, `url` or `git`"));
}

#[test]
fn overrides_can_be_in_the_file_that_people_have() {
    let dir = tempfile::tempdir().unwrap();
    let base = Utf8Path::from_path(dir.path()).unwrap();
    let tables = "[profile.nvidia-259]\nframebuffer = \"1 GiB\"\n[vm.100]\nfrl_enabled = 0\n";
    fs::write(base.join("profile_override.toml"), format!("# mine\n{tables}")).unwrap();
    let head = "[bundle]\nname = \"n\"\nchannel = \"c\"\n[host]\niommu = \"on\"\n";
    let file = format!("{head}overrides = {{ path = \"profile_override.toml\" }}\n");
    let read = |text: &str| Recipe::of_text(&base.join("bundle.toml"), text);
    let written = tables.replace('[', "[host.overrides.");
    let recipe = read(&file).unwrap();
    assert_eq!(recipe, read(&format!("{head}{written}")).unwrap());
    assert_eq!(recipe.host.overrides.profile.len(), 1);
    assert!(recipe.host.iommu.is_some());
    // The content counts, so a lock is stale after a change of the file.
    fs::write(base.join("profile_override.toml"), tables.replace("100", "101")).unwrap();
    assert_ne!(read(&file).unwrap().digest(), recipe.digest());

    fs::write(base.join("profile_override.toml"), tables.replace("vm.100", "vm.0100")).unwrap();
    let said = |text: &str| read(text).unwrap_err().to_string();
    let told = said(&file);
    assert!(told.contains("bundle.toml` line 6: `profile_override.toml` line 3: `0100`"), "{told}");
    let both = file.replace(" }", ", vm.100.frl_enabled = 0 }");
    assert!(said(&both).contains("write all of them into the file"));
    assert!(said(&file.replace("path", "file")).contains("unknown field `file`"));
    assert!(said(&file.replace("profile_o", "o")).contains("cannot read the overrides in"));
    assert!(said(&format!("{head}kernel = 1\n")).contains("unknown field `kernel`"));
    for pasted in [format!("{tables}{head}"), format!("{head}{}", tables.replace('[', "[host."))] {
        let told = said(&pasted);
        assert!(told.contains("are tables `[host.overrides.profile.…]`"), "{told}");
    }
}

#[test]
fn a_recipe_has_no_more_items_than_a_bundle() {
    let recipe = |count: usize| {
        let item = |at| format!("[[file]]\nname = \"f{at}\"\npath = \"f\"\n");
        let items: String = (0..count).map(item).collect();
        Recipe::parse(&format!("[bundle]\nname = \"n\"\nchannel = \"c\"\n{items}"))
    };
    // With the catalog, which is an item of every bundle.
    assert_eq!(recipe(4095).unwrap().entries.len(), 4096);
    let Fault { span, what } = recipe(4096).unwrap_err();
    assert!(what.contains("has 4096 items, but a bundle has at most 4096"), "{what}");
    assert!(span.start > 100_000, "{span:?}");
}

#[test]
fn only_what_it_says_counts() {
    let digest = Recipe::parse(GOOD).unwrap().digest();
    let same = GOOD.replace("[host]", "# a comment\n[host]").replace("        ", "");
    assert_eq!(Recipe::parse(&same).unwrap().digest(), digest);
    for (old, new) in [("0755", "0644"), ("2 GiB", "3 GiB"), ("quiet", "loud"), ("stable", "test")]
    {
        assert_ne!(Recipe::parse(&GOOD.replace(old, new)).unwrap().digest(), digest, "{new}");
    }
}

/// Returns the line of the error, and its message.
fn fault(old: &str, new: &str) -> (usize, String) {
    assert!(GOOD.contains(old), "{old}");
    let text = GOOD.replacen(old, new, 1);
    let Fault { span, what } = Recipe::parse(&text).expect_err(new);
    (1 + text[..span.start].matches('\n').count(), what)
}

#[test]
fn every_fault_is_found_where_it_is() {
    let cases = [
        ("name = \"node\"", "name = \"No de\"", 3, "is not the name of a bundle"),
        ("channel = \"stable\"", "chanel = \"stable\"", 4, "unknown field"),
        ("name = \"b.conf\"", "name = \"../b\"", 7, "is not the name of an item"),
        ("name = \"b.conf\"", "name = \"DRIVER.run\"", 16, "collide"),
        ("name = \"b.conf\"", "name = \"Catalog.sqlite\"", 7, "every bundle has"),
        ("name = \"b.conf\"", "name = \"Policies\"", 7, "reserved for signed policies"),
        ("[host]", "[targets]\ngpu = []\ndriver = \"16.9\"\n[host]", 22, "at least one GPU"),
        ("[host]", "[targets]\ngpu = [\"10de:1\"]\ndriver = \"16.9\"\n[host]", 22, "PCI id"),
        ("path = \"files/b.conf\"", "path = \"\"", 8, "is not a path"),
        ("path = \"files/b.conf\"", "path = \"a\"\nurl = \"http://a\"", 6, "`path` or `url`"),
        ("path = \"files/b.conf\"", "", 6, "`path` or `url`"),
        ("path = \"unlock\"", "git = \"unlock\"", 11, "exactly one of `commit`"),
        ("path = \"unlock\"", "git = \"a:b\"\ntag = \"v1\"", 12, "ssh://user@host/path"),
        ("path = \"unlock\"", "git = \"a\"\ncommit = \"71ec870\"", 13, "id of a commit"),
        ("path = \"unlock\"", "path = \"unlock\"\ntag = \"v1\"", 11, "either `path` or `git`"),
        ("path = \"unlock\"", "", 11, "either `path` or `git`"),
        ("path = \"unlock\"", "path = \"unlock\"\nsha256 = \"\"", 13, "unknown field"),
        ("src/unlock.tar.zst", "src/unlock.tar", 11, "`.tar.zst`"),
        ("https://a.example", "ftp://a.example", 17, "is not an address"),
        ("[\"https://a.example/d.run\", \"http://b.example/d.run\"]", "[]", 17, "at least one"),
        ("e3b0", "E3B0", 18, "is not a digest"),
        ("2 GiB", "2 GIB", 19, "is not a size"),
        ("mode = \"0755\"", "mode = \"4755\"", 20, "unknown variant"),
        ("\"quiet\"", "\"a b\"", 24, "is not a kernel parameter"),
        ("blacklist nouveau", "install a /bin/sh", 26, "is not a modprobe configuration line"),
        ("item = \"b.conf\"", "item = \"c.conf\"", 22, "has no item `c.conf`"),
        ("[bundle]", "[bundle", 2, "table"),
    ];
    for (old, new, line, word) in cases {
        let (at, what) = fault(old, new);
        assert!(what.contains(word), "{new}: {what}");
        assert!(at.abs_diff(line) <= 1, "{new}: line {at} instead of {line}: {what}");
    }
}
