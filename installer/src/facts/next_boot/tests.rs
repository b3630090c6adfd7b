//! Settings of boot loaders on a simulated host with two kernels.

use super::*;
use crate::facts::kernels;
use crate::host::testing::MemHost;
use crate::kernel::pin::ESPS;

const OLD: &str = "6.8.12-4-pve";
const NEW: &str = "6.8.12-43-pve";
const ROOT: &str = "5f3f2c8e-6a1d-4c0e-9a57-0d2b7d4f1e11";
const DEFAULTS: &str = "/etc/default/grub";
/// A drop-in that is read after the one of Proxmox VE.
const LATER: &str = "/etc/default/grub.d/zz-mine.cfg";

/// The menu of GRUB for both kernels; see `grub_menu`.
const TWO: &str = include_str!("../grub_menu/pve-8.cfg");

fn host(files: &[(&str, &str)]) -> MemHost {
    let mut host = MemHost::with_files(files);
    for kernel in [OLD, NEW] {
        host.place(&format!("/boot/vmlinuz-{kernel}"), "");
    }
    host
}

fn said(host: &MemHost) -> String {
    let Some(boots) = kernels(host).boots else { return "unknown".to_owned() };
    let (because, kernel) = (serde_json::to_string(&boots.because).unwrap(), boots.kernel);
    let because = because.trim_matches('"');
    let path = boots.set_in.map(|path| format!(" in {path}")).unwrap_or_default();
    format!("{kernel}: {because}{path}{}", if boots.beats_pin { ", beats a pin" } else { "" })
}

fn with_grub(files: &[(&str, &str)]) -> String {
    said(&host(&[files, &[(MENU, TWO)]].concat()))
}

fn old_entry() -> String {
    format!("gnulinux-advanced-{ROOT}>gnulinux-{OLD}-advanced-{ROOT}")
}

fn block(lines: &str) -> String {
    let head = format!("# GRUB Environment Block\n{lines}\n");
    format!("{head}{}", "#".repeat(1024 - head.len()))
}

#[test]
fn the_newest_kernel_boots_unless_grub_default_selects_another() {
    let newest = format!("{NEW}: newest");
    assert_eq!(with_grub(&[]), newest);
    for default in ["GRUB_DEFAULT=0", "GRUB_DEFAULT=", "GRUB_DEFAULT=saved", "GRUB_DEFAULT=gone"] {
        assert_eq!(with_grub(&[(DEFAULTS, default)]), newest, "{default}");
    }
    let expected = format!("{OLD}: grub-default in {DEFAULTS}");
    for default in ["1>2", &old_entry(), "Proxmox VE GNU/Linux, with Linux 6.8.12-4-pve"] {
        let text = format!("GRUB_TIMEOUT=5\nGRUB_DEFAULT=\"{default}\"\n");
        assert_eq!(with_grub(&[(DEFAULTS, &text)]), expected, "{default}");
    }
    assert_eq!(with_grub(&[(DEFAULTS, "GRUB_DEFAULT=uefi-firmware")]), "unknown");
    assert_eq!(with_grub(&[(DEFAULTS, "GRUB_DEFAULT=\"$(cat /x)\"")]), "unknown");
}

#[test]
fn the_last_assignment_of_the_drop_ins_counts() {
    let files = [(DEFAULTS, "GRUB_DEFAULT=1>2"), ("/etc/default/grub.d/a.cfg", "GRUB_DEFAULT=0")];
    assert_eq!(with_grub(&files), format!("{NEW}: newest"));
    let files = [(DEFAULTS, "GRUB_DEFAULT=0"), ("/etc/default/grub.d/a.cfg~", "GRUB_DEFAULT=1>2")];
    assert_eq!(with_grub(&files), format!("{NEW}: newest"));
    let files = [(DEFAULTS, "GRUB_DEFAULT=0"), (LATER, "GRUB_DEFAULT='1>2'")];
    assert_eq!(with_grub(&files), format!("{OLD}: grub-default in {LATER}, beats a pin"));
}

#[test]
fn the_environment_block_selects_for_one_boot_or_for_all() {
    let once = block("saved_entry=0\nnext_entry=1>2");
    let expected = format!("{OLD}: grub-next-entry in {GRUB_BLOCK}, beats a pin");
    assert_eq!(with_grub(&[(GRUB_BLOCK, &once), (PIN, NEW)]), expected);
    let saved = block(&format!("saved_entry={}", old_entry()));
    assert_eq!(with_grub(&[(GRUB_BLOCK, &saved)]), format!("{NEW}: newest"));
    let files = [(GRUB_BLOCK, saved.as_str()), (DEFAULTS, "GRUB_DEFAULT=saved")];
    assert_eq!(with_grub(&files), format!("{OLD}: grub-saved in {DEFAULTS}"));
}

#[test]
fn a_pin_wins_over_all_but_later_drop_ins() {
    let pinned = [(PIN, "6.8.12-4-pve\n"), (SNIPPET, "GRUB_DEFAULT=\"x>y\"\n")];
    let because_of_pin = format!("{OLD}: pin in {PIN}");
    assert_eq!(with_grub(&pinned), because_of_pin);
    let and_default = [&pinned[..], &[(DEFAULTS, "GRUB_DEFAULT=0")]].concat();
    assert_eq!(with_grub(&and_default), because_of_pin);
    let and_later = [&pinned[..], &[(LATER, "GRUB_DEFAULT=\"1>0\"")]].concat();
    assert_eq!(with_grub(&and_later), format!("{NEW}: grub-default in {LATER}, beats a pin"));
    let next = [&pinned[..], &[(PIN_NEXT, NEW)]].concat();
    assert_eq!(with_grub(&next), format!("{NEW}: next-boot-pin in {PIN_NEXT}, beats a pin"));
    assert_eq!(with_grub(&[(PIN, "6.5.13-6-pve")]), format!("{NEW}: newest"), "it is gone");
}

#[test]
fn a_menu_that_lacks_the_newest_kernel_is_written_again_first() {
    let mut stale = host(&[(MENU, TWO)]);
    stale.place("/boot/vmlinuz-6.17.13-1-pve", "");
    assert_eq!(said(&stale), "6.17.13-1-pve: newest");
    // GRUB_TOP_LEVEL of GRUB 2.12 places another kernel first.
    let first = TWO.replacen("/boot/vmlinuz-6.8.12-43-pve", "/boot/vmlinuz-6.8.12-4-pve", 1);
    let host = host(&[(MENU, &first), (DEFAULTS, "GRUB_DEFAULT=0")]);
    assert_eq!(said(&host), format!("{OLD}: grub-default in {DEFAULTS}"));
}

#[test]
fn a_menu_on_managed_esps_cannot_be_read() {
    let of = |default: &str| {
        let files = [(ESPS, "ABCD-0001\n"), (DEFAULTS, default), (MENU, TWO)];
        said(&host(&[&files[..], &[(GRUB_BLOCK, &block("next_entry=1>2"))]].concat()))
    };
    assert_eq!(of("GRUB_DEFAULT=0"), format!("{NEW}: newest"));
    let by_id = format!("GRUB_DEFAULT='gnulinux-advanced-AB>gnulinux-{OLD}-advanced-AB'");
    assert_eq!(of(&by_id), format!("{OLD}: grub-default in {DEFAULTS}"));
    assert_eq!(of("GRUB_DEFAULT='1>2'"), "unknown");
    let gone = [(ESPS, "ABCD-0001\n"), (PIN, "6.5.13-6-pve")];
    assert_eq!(said(&host(&gone)), format!("6.5.13-6-pve: pin in {PIN}"), "the image stays there");
}

fn variable(name: &str, text: &str) -> (String, String) {
    let value: String = text.chars().flat_map(|c| [c, '\0']).collect();
    (variable_path(name, efi::LOADER), format!("\u{6}\0\0\0{value}\0\0"))
}

fn with_systemd_boot(files: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    let mut host = host(files);
    for (name, text) in [&[("LoaderInfo", "systemd-boot 257.8-1~deb13u2")], variables].concat() {
        let (path, value) = variable(name, text);
        host.place(&path, &value);
    }
    for kernel in [OLD, NEW] {
        let entry = format!("version {kernel}\nlinux /EFI/proxmox/{kernel}/vmlinuz-{kernel}\n");
        host.place(&format!("/boot/efi/loader/entries/proxmox-{kernel}.conf"), &entry);
    }
    said(&host)
}

const CONF: &str = "/boot/efi/loader/loader.conf";

#[test]
fn systemd_boot_is_told_by_its_file_and_its_variables() {
    let of = |text: &str| with_systemd_boot(&[(CONF, text)], &[]);
    assert_eq!(of("timeout 3\ndefault proxmox-*\n"), format!("{NEW}: newest"));
    assert_eq!(of("#default proxmox-6.8.12-4-pve.conf\n"), format!("{NEW}: newest"));
    assert_eq!(of("default gone.conf\n"), format!("{NEW}: newest"));
    let by_file = format!("{OLD}: loader-conf in {CONF}, beats a pin");
    assert_eq!(of("default proxmox-6.8.12-4-pve.conf\n"), by_file);
    assert_eq!(of("default *-4-pve.conf\n"), by_file);
    assert_eq!(of("default @saved\n"), "unknown");

    let entry = "proxmox-6.8.12-4-pve.conf";
    for (name, because) in
        [("LoaderEntryOneShot", "loader-oneshot"), ("LoaderEntryDefault", "loader-default")]
    {
        let path = variable(name, "").0;
        let expected = format!("{OLD}: {because} in {path}, beats a pin");
        assert_eq!(with_systemd_boot(&[(PIN, NEW)], &[(name, entry)]), expected);
    }
}

#[test]
fn systemd_boot_obeys_pins_only_on_managed_esps() {
    let conf = (CONF, "default proxmox-6.8.12-43-pve.conf\n");
    let managed = [(ESPS, "ABCD-0001\n"), (PIN, OLD), conf];
    assert_eq!(with_systemd_boot(&managed, &[]), format!("{OLD}: pin in {PIN}"));
    let direct = format!("{NEW}: loader-conf in {CONF}, beats a pin");
    assert_eq!(with_systemd_boot(&managed[1..], &[]), direct);
    assert_eq!(
        with_systemd_boot(&[managed[0], conf], &[]),
        format!("{NEW}: loader-conf in {CONF}")
    );
}
