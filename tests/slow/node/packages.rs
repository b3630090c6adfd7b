//! Packages from the bundle, installed by the real apt and dpkg of each release.

use std::time::Duration;

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use vgpu_tests::kit::{Kit, archive, package};
use vgpu_tests::roots::{Release, Root, Roots, with_own_mounts};
use vgpu_tests::scratch::expect;

use super::site::{Site, control, download};

/// Allowed differences after packages were installed and reverted, with reasons.
const MAY_DIFFER: [&str; 12] = [
    "var/log",                     // what happened is written down
    "var/cache",                   // apt's and man's caches
    "var/lib/dpkg/status",         // compared package by package; fields may stand in another order
    "var/lib/dpkg/status-old",     // dpkg's own backup
    "var/lib/dpkg/lock",           // made by the first program that needs it
    "var/lib/dpkg/lock-frontend",  // the same
    "var/lib/dpkg/triggers/Lock",  // the same
    "var/lib/apt/extended_states", // compared mark by mark
    "etc/ld.so.cache",             // rebuilt by ldconfig
    "etc/vgpu-old.conf.dpkg-dist", // dpkg leaves it beside configuration that it has kept
    "etc/vgpu-offline",            // trust, which `forget` removes
    "var/lib/vgpu-offline",        // our own, which `forget` removes
];

/// Builds a package with configuration files and slow scripts, with the root's own dpkg.
fn make(root: &Root, name: &str, version: &str, needs: &str) -> Utf8PathBuf {
    let folder = format!("/srv/{name}-{version}");
    let depends = if needs.is_empty() { String::new() } else { format!("Depends: {needs}\n") };
    root.write(
        &format!("{folder}/DEBIAN/control"),
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: tests <t@mirror.example>\n\
             {depends}Description: a package for tests\n"
        ),
    );
    root.write(&format!("{folder}/etc/{name}.conf"), format!("version = {version}\n"));
    root.write(&format!("{folder}/usr/share/{name}/data"), version.repeat(1000));
    root.write(&format!("{folder}/DEBIAN/conffiles"), format!("/etc/{name}.conf\n"));
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        let path = format!("{folder}/DEBIAN/{script}");
        root.write(&path, "#!/bin/sh\nsleep 0.15\n");
        expect(root.command(&["chmod", "755", &path]), 0);
    }
    let file = format!("/srv/{name}_{version}_all.deb");
    expect(root.command(&["dpkg-deb", "--build", "--root-owner-group", &folder, &file]), 0);
    root.at(&file)
}

/// Adds a package file to the bundle.
pub(crate) fn take(kit: &mut Kit, file: &Utf8PathBuf, reason: &str) -> Value {
    let item = format!("apt/{}", file.file_name().unwrap().replace(['%', ':'], "."));
    kit.file(&item, file);
    package(&item, &control(file), "main", reason)
}

fn fields(release: Release, packages: &[Value]) -> Value {
    let archives = [archive("main", release.codename(), "apt/InRelease")];
    json!({ "archives": archives, "kinds": packages })
}

/// A node with an old package, and a bundle with a new package that requires a newer version of the
/// old one.
fn prepared(root: Root, release: Release) -> (Site, Kit) {
    let old = make(&root, "vgpu-old", "1.0", "");
    let packages = [
        (make(&root, "vgpu-new", "3.0", "vgpu-needed, vgpu-old (>= 2.0)"), "requested"),
        (make(&root, "vgpu-needed", "1:1.0~rc1", ""), "needed"),
        (make(&root, "vgpu-old", "2.0", ""), "upgrade"),
        (old, "return"),
    ];
    let mut kit = Kit::new();
    kit.bytes("apt/InRelease", "evidence\n");
    let mut records = Vec::new();
    for (file, reason) in &packages {
        records.push(take(&mut kit, file, reason));
    }
    expect(root.command(&["dpkg", "--install", "/srv/vgpu-old_1.0_all.deb"]), 0);
    expect(root.command(&["apt-mark", "auto", "vgpu-old"]), 0);
    expect(root.command(&["rm", "-r", "/srv"]), 0);
    // The operator's own configuration, an unreachable source, and an expired Valid-Until due to a
    // wrong clock must not matter.
    root.write("/etc/vgpu-old.conf", "version = mine\n");
    root.write("/etc/apt/sources.list.d/broken.list", "deb http://mirror.example/ nowhere main\n");
    let site = Site::new(root, &kit);
    site.insert(&kit.bundle(1, fields(release, &records)));
    (site, kit)
}

fn each_release(body: impl Fn(Release, &Roots)) {
    let Some(roots) = Roots::open() else { return };
    for release in Release::ALL {
        body(release, &roots);
    }
}

#[test]
fn packages_come_and_go_and_leave_what_was_there() {
    with_own_mounts("node::packages::packages_come_and_go_and_leave_what_was_there", || {
        each_release(|release, roots| {
            let Some(pristine) = roots.pristine(release) else { return };
            let (site, _kit) = prepared(pristine.fresh(), release);
            let before = (site.packages(), site.root.snapshot(&MAY_DIFFER));
            let lists = site.root.snapshot(&["usr"]);

            site.apply(0);
            let packages = site.packages();
            for line in ["vgpu-new 3.0 install ok installed", "vgpu-old 2.0 install ok installed"] {
                assert!(packages.contains(line), "{line} in {packages}");
            }
            let auto = packages.split_once("automatic:").unwrap().1;
            assert!(auto.contains("vgpu-needed") && auto.contains("vgpu-old"), "{auto}");
            assert!(!auto.contains("vgpu-new"), "{auto}");
            assert_eq!(site.root.run(&["cat", "/etc/vgpu-old.conf"]).out, "version = mine\n");
            site.run(&["status"], 0);
            let now = site.root.snapshot(&["usr"]);
            let touched = lists.differences(&now);
            let touched: Vec<_> = touched
                .iter()
                .filter(|line| line.starts_with("var/lib/apt/lists") || line.starts_with("etc/apt"))
                .collect();
            assert_eq!(touched, Vec::<&String>::new());

            site.run(&["revert", "--yes"], 0);
            site.run(&["forget", "--yes"], 0);
            assert_eq!(site.packages(), before.0);
            let after = before.1.differences(&site.root.snapshot(&MAY_DIFFER));
            assert_eq!(after, Vec::<String>::new(), "{}", release.codename());
        });
    });
}

#[test]
fn a_plug_that_is_pulled_at_any_time_does_not_hurt() {
    with_own_mounts("node::packages::a_plug_that_is_pulled_at_any_time_does_not_hurt", || {
        let Some(roots) = Roots::open() else { return };
        for release in [Release::Debian12, Release::Debian13] {
            let Some(pristine) = roots.pristine(release) else { continue };
            let (site, _kit) = prepared(pristine.fresh(), release);
            let before = site.packages();
            let mut hit = 0;
            for n in 0..12_u64 {
                let cut = Duration::from_millis(200 + n * 230);
                hit += u32::from(site.cut(&Site::apply_words(), cut));
                if n % 2 == 0 {
                    site.apply(0);
                    assert!(site.packages().contains("vgpu-new 3.0 install ok installed"));
                    let again = Duration::from_millis(150 + n * 180);
                    hit += u32::from(site.cut(&["revert", "--yes"], again));
                }
                site.run(&["revert", "--yes"], 0);
                assert_eq!(site.packages(), before, "{} cut at {cut:?}", release.codename());
            }
            assert!(hit >= 10, "only {hit} of the cuts hit something");
        }
    });
}

#[test]
fn a_real_toolchain_is_installed_without_a_network_and_purged() {
    with_own_mounts(
        "node::packages::a_real_toolchain_is_installed_without_a_network_and_purged",
        || {
            let Some(roots) = Roots::open() else { return };
            for release in [Release::Debian12, Release::Debian13] {
                let Some(pristine) = roots.pristine(release) else { continue };
                let mut kit = Kit::new();
                kit.bytes("apt/InRelease", "evidence\n");
                let online = pristine.fresh();
                let requested = ["dkms", "gcc", "make"];
                let records: Vec<_> = download(&online, &requested)
                    .iter()
                    .map(|file| {
                        let name = file.file_name().unwrap().split('_').next().unwrap();
                        let asked = requested.contains(&name);
                        take(&mut kit, file, if asked { "requested" } else { "needed" })
                    })
                    .collect();
                drop(online);
                let site = Site::new(pristine.fresh(), &kit);
                let before = site.packages();
                site.insert(&kit.bundle(1, fields(release, &records)));
                site.apply(0);
                expect(site.root.command(&["dkms", "--version"]), 0);
                expect(site.root.command(&["gcc", "--version"]), 0);
                site.run(&["revert", "--yes"], 0);
                assert_eq!(site.packages(), before, "{}", release.codename());
            }
        },
    );
}
