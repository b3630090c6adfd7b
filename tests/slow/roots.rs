//! Real Debian roots are what the tests take them for.

use std::fs;

use vgpu_tests::roots::{Release, Roots, with_own_mounts};
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
            // What `apt-get update` did is not of interest.
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
