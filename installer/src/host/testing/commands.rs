use std::io;

use super::{Content, Look as _, MemHost, Mode, Node, RawHost as _};
use crate::host::own::fixed;
use crate::host::{HostError, Kind, Verb};
use crate::kernel::pin::{ESPS, PIN, PIN_NEXT};

/// A fake program for a test host: it gets its arguments and returns its exit status.
pub(crate) type Program = fn(&mut MemHost, &[&str]) -> Result<i32, HostError>;

/// Runs a command on the in-memory host.
pub(super) fn run(host: &mut MemHost, words: &[&str]) -> Result<i32, HostError> {
    if let ["env", "INITRAMFS_TOOLS_KERNEL_HOOK=1", words @ ..] = words {
        return run(host, words);
    }
    if let Some(program) = host.programs.get(words[0]) {
        return program(host, &words[1..]);
    }
    match words {
        ["update-grub"] => update_grub(host),
        ["proxmox-boot-tool", "refresh"] => proxmox_boot_refresh(host),
        ["proxmox-boot-tool", "kernel", words @ ..] => kernel_pin(host, words),
        ["update-initramfs", "-u"] | ["update-initramfs", "-u", "-k", "all"] => {
            update_initramfs(host)
        }
        ["systemctl", "daemon-reload"] => daemon_reload(host),
        ["depmod", release] => depmod(host, release),
        ["dpkg", args @ ..] => super::dpkg::dpkg(host, args),
        ["apt-get", args @ ..] => super::dpkg::apt_get(host, args),
        ["apt-mark", args @ ..] => super::dpkg::apt_mark(host, args),
        ["true"] => Ok(0),
        ["false"] => Ok(1),
        _ => {
            let path = fixed("/usr/bin").as_path().join(words[0]);
            let path = crate::host::HostPath::new(path).unwrap();
            Err(HostError::path(Verb::Read, &path, io::ErrorKind::NotFound))
        }
    }
}

impl MemHost {
    /// Writes a file as a program would: in place, bypassing the journal.
    pub(crate) fn scribble(&mut self, path: &str, text: &str) -> Result<(), HostError> {
        let path = fixed(path);
        let node = Node::file(Content::of(text.as_bytes()), Mode::FILE);
        self.change(&path, |host| {
            host.place_node(path.as_path().as_str(), node, text.as_bytes());
        })
    }

    /// Removes a file as a program would.
    pub(crate) fn scratch(&mut self, path: &str) -> Result<(), HostError> {
        self.remove(&fixed(path))
    }

    /// Returns the texts of the files in a directory whose names have this suffix and do not start
    /// with a dot.
    fn texts(&self, dir: &str, suffix: &str) -> String {
        let names = self.list(&fixed(dir)).unwrap().unwrap_or_default();
        let names = names.iter().filter(|name| name.ends_with(suffix) && !name.starts_with('.'));
        names.filter_map(|name| self.text_of(&format!("{dir}/{name}"))).collect()
    }
}

/// Returns the kernel parameters that GRUB would pass, from the assignments in its configuration
/// files.
fn update_grub(host: &mut MemHost) -> Result<i32, HostError> {
    host.rebuilt.push("update-grub");
    let own = host.text_of("/etc/default/grub").unwrap_or_default();
    let all = own + &host.texts("/etc/default/grub.d", ".cfg");
    let mut words = String::new();
    for line in all.lines() {
        if let Some(value) = line.strip_prefix("GRUB_CMDLINE_LINUX_DEFAULT=") {
            let value = value.trim_matches('"');
            words = value.replace("$GRUB_CMDLINE_LINUX_DEFAULT", &words);
        }
    }
    host.scribble("/boot/grub/grub.cfg", &format!("linux /vmlinuz root=/dev/sda1 {words}\n"))?;
    Ok(0)
}

/// `proxmox-boot-tool refresh`, in the order of proxmox-kernel-helper 8.1.0: first apt's list of
/// kernels that autoremoval keeps, then the ESPs. The test's `/boot/efi` is there without a list of
/// ESPs, too. An ESP that is missing is a warning.
fn proxmox_boot_refresh(host: &mut MemHost) -> Result<i32, HostError> {
    host.rebuilt.push("proxmox-boot-tool refresh");
    let pin = host.text_of(PIN).unwrap_or_default();
    if pin.is_empty() {
        host.scratch(AUTOREMOVAL)?;
    } else {
        host.scribble(AUTOREMOVAL, &pin)?;
    }
    let text = host.text_of("/etc/kernel/cmdline").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default().to_owned();
    if !line.contains("root=") {
        return Ok(1);
    }
    if host.text_of(ESPS).is_some_and(|esps| esps.contains("missing")) {
        host.stdout = "WARN: /dev/disk/by-uuid/missing does not exist - skipping\n".to_owned();
    }
    host.scribble("/boot/efi/loader/entries/pve.conf", &format!("options {line}\n"))?;
    Ok(0)
}

/// `proxmox-boot-tool kernel pin` and `unpin`: without ESPs they write GRUB's drop-in, with a
/// next-boot pin for the kernel of that boot, and run `update-grub`, but not the list for apt.
fn kernel_pin(host: &mut MemHost, words: &[&str]) -> Result<i32, HostError> {
    match words {
        ["pin", kernel, more @ ..] => {
            if host.text_of(&format!("/boot/vmlinuz-{kernel}")).is_none() {
                return Ok(1);
            }
            let file = if more == ["--next-boot"] { PIN_NEXT } else { PIN };
            host.scribble(file, &format!("{kernel}\n"))?;
        }
        ["unpin", more @ ..] => {
            host.scratch(PIN_NEXT)?;
            if more.is_empty() {
                host.scratch(PIN)?;
            }
        }
        _ => return Ok(1),
    }
    if host.text_of(ESPS).is_some() {
        return Ok(0);
    }
    match host.text_of(PIN_NEXT).or_else(|| host.text_of(PIN)) {
        Some(kernel) => host.scribble(SNIPPET, &format!("GRUB_DEFAULT=\"{}\"\n", kernel.trim()))?,
        None => host.scratch(SNIPPET)?,
    }
    update_grub(host)
}

/// apt's list of kernels to keep, and GRUB's drop-in for the pin.
pub(super) const AUTOREMOVAL: &str = "/etc/apt/apt.conf.d/76pveconf";
pub(super) const SNIPPET: &str = "/etc/default/grub.d/proxmox-kernel-pin.cfg";

/// The trigger of `initramfs-tools` runs it, too.
pub(super) fn update_initramfs(host: &mut MemHost) -> Result<i32, HostError> {
    host.rebuilt.push("update-initramfs");
    let image =
        host.texts("/etc/modprobe.d", ".conf") + &host.texts("/etc/modules-load.d", ".conf");
    host.scribble("/boot/initrd.img", &image)?;
    Ok(0)
}

fn daemon_reload(host: &mut MemHost) -> Result<i32, HostError> {
    let below = |path: &&crate::host::HostPath| path.as_path().starts_with("/etc/systemd/system");
    let units: Vec<_> = host.nodes.keys().filter(below).collect();
    let units = units.into_iter().filter(|path| host.nodes[path].node.kind() != Kind::Dir);
    let text = units.map(ToString::to_string).collect::<Vec<_>>().join("\n");
    host.scribble("/run/systemd/units", &text)?;
    Ok(0)
}

fn depmod(host: &mut MemHost, release: &str) -> Result<i32, HostError> {
    let dir = format!("/lib/modules/{release}");
    let updates = host.list(&fixed(&format!("{dir}/updates")))?.unwrap_or_default();
    let text = updates.join("\n");
    host.scribble(&format!("{dir}/modules.dep"), &text)?;
    Ok(0)
}
