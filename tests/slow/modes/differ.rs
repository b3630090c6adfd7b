//! The allowed differences of a host before and after: the complete list, with reasons.

use vgpu_tests::tree::MayDiffer;

/// Everything else in the tree must be unchanged: contents, modes, owners, links and attributes.
pub(super) const MAY_DIFFER: [MayDiffer; 24] = [
    it("sys/", "the machine itself, which the test plays"),
    it("proc/", "the same"),
    it("root/machine/", "the same"),
    it("root/vgpu-installer", "the copy of the program that the operator has made"),
    it("root/key.pub", "the key that the operator has brought"),
    it("mnt/", "the stick"),
    it("run/", "what lives until the next boot"),
    it("tmp/", "what compilers leave; gone with the next boot"),
    it("var/tmp/", "the same"),
    it("var/log/", "what happened is written down, and stays written down"),
    it("var/cache/", "caches of apt, debconf, ldconfig and man"),
    it("var/lib/dpkg/status", "compared package by package; fields may stand in another order"),
    it("var/lib/dpkg/status-old", "dpkg's own backup"),
    it("var/lib/dpkg/lock*", "made by the first program that needs it"),
    it("var/lib/dpkg/triggers/Lock", "the same"),
    it(
        "var/lib/dpkg/triggers/File",
        "rewritten whenever a package has a trigger, in another order",
    ),
    it("var/lib/dpkg/diversions-old", "dpkg's own backup"),
    it("var/lib/dpkg/tmp.ci*", "what a cut leaves; removed before the next package is unpacked"),
    it("var/lib/apt/extended_states", "compared mark by mark"),
    it("var/lib/systemd/deb-systemd-helper*", "what Debian's scripts remember of units"),
    it(
        "usr/lib/python3/dist-packages/__pycache__*",
        "what Python keeps of Debian 11's lsb_release, which DKMS asks",
    ),
    it("etc/ld.so.cache", "rebuilt by ldconfig"),
    it("boot/initrd.img-*", "rebuilt from the same files; it carries times"),
    it("var/lib/initramfs-tools/", "checksums of those"),
];

const fn it(path: &'static str, why: &'static str) -> MayDiffer {
    MayDiffer { path, why }
}
