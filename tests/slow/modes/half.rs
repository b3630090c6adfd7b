//! A half-configured kernel package, for which DKMS's hook could not build the driver's module.

use std::fs;
use std::os::unix::fs::symlink;

use vgpu_tests::kit::Kit;
use vgpu_tests::roots::{Roots, with_own_mounts};
use vgpu_tests::scratch::expect;

use super::native::is_built;
use super::stage::{Stage, package};
use super::trouble::{content, equipped};

const OLD: &str = "550.144.02";
const NEW: &str = "550.163.02";

/// The new kernel.
const KERNEL: &str = "6.1.0-99-amd64";
const PACKAGE: &str = "linux-image-6.1.0-99-amd64";

/// The effect of the maintainer scripts of Debian's kernel packages.
const CONFIGURE: &str = "#!/bin/sh -e\ntest \"$1\" = configure || exit 0\ndepmod 6.1.0-99-amd64\n\
    DEB_MAINT_PARAMS=\"$*\" run-parts --report --exit-on-error --arg=6.1.0-99-amd64 \
    --arg=/boot/vmlinuz-6.1.0-99-amd64 /etc/kernel/postinst.d\n";
const GONE: &str = "#!/bin/sh -e\n\
    DEB_MAINT_PARAMS=\"$*\" run-parts --report --exit-on-error --arg=6.1.0-99-amd64 \
    --arg=/boot/vmlinuz-6.1.0-99-amd64 /etc/kernel/postrm.d\n\
    test \"$1\" != purge || rm -rf /lib/modules/6.1.0-99-amd64\n";

#[test]
fn a_kernel_left_half_configured_is_brought_to_its_end_or_left_to_others() {
    with_own_mounts(
        "modes::half::a_kernel_left_half_configured_is_brought_to_its_end_or_left_to_others",
        || {
            let Some(roots) = Roots::open() else { return };
            let mut kit = Kit::new();
            let Some(mut stage) = equipped(&roots, &kit) else { return };
            stage.begin("half-configured");
            stage.site.insert(&content(Vec::new(), &[OLD]).bundle(&mut kit, 1));
            stage.apply(&[], 10);
            stage.reboot(0);
            is_built(&stage, OLD);
            let newer = content(Vec::new(), &[NEW]).bundle(&mut kit, 2);
            a_kernel_comes(&mut stage);

            let mut node = stage.fork();
            node.begin("half-configured-newer");
            node.site.insert(&newer);
            node.apply(&[], 10);
            is_whole(&mut node, NEW);
            all_goes(&mut node, 10);

            let mut node = stage.fork();
            node.begin("half-configured-mended");
            fs::remove_file(node.root().at(&cause())).unwrap();
            node.apply(&[], 0);
            is_whole(&mut node, OLD);
            all_goes(&mut node, 10);

            // A foreign package waits for its own repair, and does not block the installer.
            let mut node = stage.fork();
            node.begin("half-configured-reverted");
            node.run(&["revert", "--yes"], 10);
            assert!(state(&node).contains("half-configured"), "{}", state(&node));
            expect(node.root().command(&["dpkg", "--configure", "--pending"]), 0);
            all_goes(&mut node, 0);
        },
    );
}

/// Returns the path of the file that makes DKMS fail to build the old driver's module for the new
/// kernel.
fn cause() -> String {
    format!("/etc/dkms/nvidia-{OLD}.conf")
}

/// Installs a kernel package as apt would; the old driver does not build for it.
fn a_kernel_comes(stage: &mut Stage) {
    let root = stage.root();
    let make =
        format!("test ${{kernelver}} != {KERNEL} && make KERNEL_UNAME=${{kernelver}} modules");
    root.write(&cause(), format!("MAKE[0]=\"{make}\"\n"));
    let folder = format!("/lib/modules/{KERNEL}");
    root.write(&format!("/srv/made/{PACKAGE}{folder}/modules.order"), "");
    let headers = format!("/usr/src/linux-headers-{}", stage.kernel);
    symlink(headers, root.at(&format!("/srv/made/{PACKAGE}{folder}/build"))).unwrap();
    let config = fs::read_to_string(root.at(&format!("/boot/config-{}", stage.kernel))).unwrap();
    root.write(&format!("/srv/made/{PACKAGE}/boot/config-{KERNEL}"), config);
    let image = format!("/boot/vmlinuz-{KERNEL}");
    let builtin = format!("{folder}/modules.builtin");
    let files = [
        ("/DEBIAN/postinst", CONFIGURE),
        ("/DEBIAN/postrm", GONE),
        (image.as_str(), "stands for a kernel\n"),
        (&builtin, ""),
    ];
    let file = package(root, PACKAGE, "6.1.999-1", "", &files);
    let said = expect(root.command(&["dpkg", "--install", &file]), 1);
    fs::remove_dir_all(root.at("/srv/made")).unwrap();
    let text = format!("\n# dpkg --install {PACKAGE}\n{}{}", said.out, said.err);
    stage.note(&text);
    assert!(state(stage).contains("half-configured"), "{}: {text}", state(stage));
    let said = stage.run(&["status"], 5).out;
    assert!(said.contains("next kernel") && said.contains(KERNEL), "{said}");
}

fn state(stage: &Stage) -> String {
    stage.root().packages().remove(&format!("{PACKAGE}:all")).unwrap_or_default()
}

/// Checks that the package is configured, and that both kernels have the module.
fn is_whole(node: &mut Stage, version: &str) {
    assert!(state(node).contains("install ok installed"), "{}", state(node));
    for kernel in [KERNEL, &node.kernel] {
        let words = ["modinfo", "-k", kernel, "-F", "version", "nvidia"];
        assert_eq!(expect(node.root().command(&words), 0).out.trim(), version, "{kernel}");
    }
    node.run(&["status"], 0);
    expect(node.root().command(&["apt-get", "check"]), 0);
}

/// Removes the installation and the kernel, and checks that the host is as at the start.
fn all_goes(node: &mut Stage, code: i32) {
    node.run(&["revert", "--all", "--yes"], code);
    expect(node.root().command(&["dpkg", "--purge", PACKAGE]), 0);
    // As grub's own hook does.
    expect(node.root().command(&["update-grub"]), 0);
    let _ = fs::remove_file(node.root().at(&cause()));
    node.is_as_before_but_for_ours();
}
