//! Secure Boot: the key that modules are signed with is enrolled at the console.

use std::time::Instant;

use vgpu_tests::roots::with_own_mounts;
use vgpu_tests::vm::Machine;

use super::evidence::Evidence;
use super::rig::{Kind, Rig};
use super::story::Story;

/// The one-time password, and its keys on a keyboard, as QEMU names them.
const PASSWORD: &str = "correct7horse";

/// The option with the file of that password.
const WITH_PASSWORD: &str = "--mok-password-file /root/password";

/// The kernel and its module loader under Secure Boot.
const ENFORCED: &str = "mokutil --sb-state | grep -x 'SecureBoot enabled' && \
                        grep -F '[integrity]' /sys/kernel/security/lockdown";

/// Signs one of the kernel's modules with the key, instead of Debian's signature, and loads it.
const LOAD: &str = "cd /root
cp $(find /lib/modules -name dummy.ko) mine.ko
strip --strip-debug mine.ko
$(find /usr/lib/linux-kbuild* -name sign-file) sha256 \
    /var/lib/dkms/mok.key /var/lib/dkms/mok.pub mine.ko
insmod mine.ko && rmmod dummy";

/// The operator's part at the console.
const AT_CONSOLE: &str = "`Press any key to perform MOK management`, select `Enroll MOK`, `Continue`, \
                          `Yes`, enter the one-time password, and select `Reboot`";

#[test]
fn a_key_is_enrolled_at_the_console_and_only_then_its_modules_load() {
    with_own_mounts(
        "vm::secure_boot::a_key_is_enrolled_at_the_console_and_only_then_its_modules_load",
        || {
            let Some(rig) = Rig::open(Kind::SECURE_BOOT) else { return };
            let evidence = Evidence::new("secure-boot", "A node under Secure Boot");
            let mut story = Story::begin(&rig, evidence);
            story.node.expect(ENFORCED, 0);
            let plan = story.plan();
            for line in ["install packages: dkms, mdevctl, openssl", "request enrollment"] {
                assert!(plan.contains(line), "{line}: {plan}");
            }
            story.node.expect(&format!("echo '{PASSWORD}' >/root/password"), 0);
            let said = story.apply(WITH_PASSWORD, &[]);
            assert!(said.contains(AT_CONSOLE), "{said}");
            says(&mut story.node, 10, AT_CONSOLE);
            lapses(&mut story);
            story.node.expect("vgpu-installer apply --yes", 1);
            let again = format!("vgpu-installer apply --yes {WITH_PASSWORD}");
            let said = story.node.expect(&again, 10).err;
            assert!(said.contains(AT_CONSOLE), "{said}");
            says(&mut story.node, 10, AT_CONSOLE);
            enroll(&mut story);
            story.node.expect(ENFORCED, 0);
            story.node.expect(LOAD, 0);
            let signer = "modinfo -F signer nvidia | grep -x 'vgpu-offline module signing key'";
            story.node.expect(signer, 0);
            let states = story.remove(&[]);
            evidence.write_page(&states.times);
        },
    );
}

/// Restarts the node without a key press at its console. The firmware forgets the request, phase 2 does
/// not begin, and the kernel loads no module with this signature.
fn lapses(story: &mut Story<'_>) {
    let begun = Instant::now();
    let node = &mut story.node;
    node.restart();
    node.see("Press any key to perform MOK management");
    node.wait();
    node.settle();
    let why =
        "the signing key was not enrolled at the console, and MokManager does not ask for it again";
    says(node, 1, why);
    says(node, 1, "`vgpu-installer apply` requests it again");
    node.expect("systemctl is-failed vgpu-offline-resume.service", 1);
    let refused = node.expect(LOAD, 1).err;
    assert!(refused.contains("Key was rejected by service"), "{refused}");
    story.took("reboot without a key press", begun.elapsed());
}

/// Restarts the node, and goes through the screens of shim. The node restarts once more, and
/// resumes.
fn enroll(story: &mut Story<'_>) {
    let begun = Instant::now();
    let node = &mut story.node;
    node.restart();
    node.see("Press any key to perform MOK management");
    node.press(&["ret"]);
    for (title, item) in [
        ("Perform MOK management", "Enroll MOK"),
        ("[Enroll MOK]", "Continue"),
        ("Enroll the key(s)?", "Yes"),
    ] {
        let screen = node.see(item);
        assert!(screen.contains(title), "{title}: {screen}");
        // The item is the second one.
        node.press(&["down", "ret"]);
    }
    node.see("Password:");
    let keys: Vec<_> = PASSWORD.chars().map(String::from).collect();
    node.press(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    node.press(&["ret"]);
    node.see("Reboot");
    node.press(&["ret"]);
    node.wait();
    node.settle();
    story.is_green();
    story.took("reboot, enrollment, reboot and phase 2", begun.elapsed());
}

/// Checks the exit code and a text of `status`.
fn says(node: &mut Machine, code: i32, text: &str) {
    let status = node.expect("vgpu-installer status", code).out;
    assert!(status.contains(text), "{text}: {status}");
}
