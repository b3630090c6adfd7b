//! Checks that real Debian roots have the properties that the tests rely on.

use std::fs;

use vgpu_tests::roots::{Layer, Release, Root, Roots, with_own_mounts};
use vgpu_tests::scratch::expect;
use vgpu_tests::tree::Snapshot;

#[test]
fn a_copy_is_one_of_its_own_without_a_network() {
    with_own_mounts("roots::a_copy_is_one_of_its_own_without_a_network", || {
        let Some(roots) = Roots::open() else { return };
        for release in Release::ALL {
            let Some(pristine) = roots.pristine(release) else { continue };
            let before = Snapshot::of(pristine.path(), &[]).unwrap();
            let root = pristine.fresh();
            let said = expect(root.command(&["cat", "/etc/os-release"]), 0).out;
            let codename = release.codename();
            assert!(said.contains(&format!("VERSION_CODENAME={codename}")), "{said}");
            assert_eq!(before.differences(&root.snapshot(&[])), Vec::<String>::new());

            // Neither network nor processes nor hardware of the machine.
            let said = expect(root.command(&["cat", "/proc/net/dev"]), 0).out;
            assert_eq!(said.lines().count(), 3, "{said}");
            assert_ne!(
                root.run(&["apt-get", "update", "-o", "APT::Update::Error-Mode=any"]).code,
                Some(0)
            );
            let said = expect(root.command(&["sh", "-c", "echo /proc/[0-9]*; ls -A /sys"]), 0).out;
            assert_eq!(said, "/proc/1\n");

            expect(root.command(&["rm", "/etc/os-release"]), 0);
            root.write("/etc/new", "new");
            assert_eq!(root.run(&["cat", "/etc/new"]).out, "new");
            let mut differences = before.differences(&root.snapshot(&[]));
            // The effects of `apt-get update` are irrelevant here.
            differences.retain(|line| line.starts_with("etc/"));
            assert_eq!(differences.len(), 2, "{differences:?}");
            assert!(fs::exists(pristine.path().join("etc/os-release")).unwrap());
            drop(root);
            assert_eq!(
                before.differences(&Snapshot::of(pristine.path(), &[]).unwrap()),
                Vec::<String>::new()
            );
        }
    });
}

#[test]
fn a_host_has_a_kernel_and_a_builder_its_headers() {
    with_own_mounts("roots::a_host_has_a_kernel_and_a_builder_its_headers", || {
        let Some(roots) = Roots::open() else { return };
        for release in [Release::Debian12, Release::Debian13] {
            let Some(host) = roots.layered(release, Layer::HOST) else { continue };
            let root = host.fresh();
            let kernels = names(&root, "lib/modules");
            let [kernel] = &kernels[..] else { panic!("{kernels:?}") };
            assert!(fs::exists(root.at("boot").join(format!("initrd.img-{kernel}"))).unwrap());
            assert!(!fs::exists(root.at("etc/resolv.conf")).unwrap());
            let packages = root.packages();
            let state = |name: &str| packages[name].rsplit_once(' ').unwrap().1;
            assert_eq!(state("linux-image-amd64:amd64"), "manual");
            assert_eq!(state(&format!("linux-image-{kernel}:amd64")), "auto");

            let builder = roots.layered(release, Layer::BUILDER).unwrap().fresh();
            let [kernel] = &names(&builder, "lib/modules")[..] else { panic!("not one kernel") };
            let build = builder.run(&["readlink", "-f", &format!("/lib/modules/{kernel}/build")]);
            assert_eq!(build.out.trim(), format!("/usr/src/linux-headers-{kernel}"));
            assert_eq!(builder.run(&["dkms", "status"]).code, Some(0));
        }
    });
}

fn names(root: &Root, folder: &str) -> Vec<String> {
    let entries = root.at(folder).read_dir_utf8().unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_owned()).collect()
}
