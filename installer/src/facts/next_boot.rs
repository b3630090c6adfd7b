//! The kernel of the next boot, and the setting that selects it.

use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{BootReason, BootsNext, Kernel, KernelPart, Kernels};
use vgpu_manifest::platform::{BootLoader, BootSync, KernelRelease};

use super::boot::{loader, sync, variable_path};
use super::efi;
use super::grub::{Setting, Value, in_block, setting};
use super::grub_menu::{Entry, Selected, menu, select, selector};
use super::reader::Reader;
use super::systemd_boot::{Esp, Match, entry_in};
use crate::kernel::pin::{DROP_IN, GRUB_BLOCK, PIN, PIN_NEXT};

/// The drop-in that the tool writes for a pin on a host without ESPs.
const SNIPPET: &str = "/etc/default/grub.d/proxmox-kernel-pin.cfg";
const MENU: &str = "/boot/grub/grub.cfg";

/// The largest `grub.cfg` that is read: 8 MiB. Each kernel takes about 3 KiB.
const MAX_MENU: u64 = 8 << 20;

/// Returns the kernel of the next boot; `None` if it is unknown.
pub(super) fn look(reader: &Reader<'_>, kernels: &Kernels) -> Option<BootsNext> {
    let scene = Scene { reader, kernels, sync: sync(reader) };
    match loader(reader) {
        Some(BootLoader::SystemdBoot) => scene.systemd_boot(),
        _ => scene.grub(),
    }
}

/// Returns the value of `GRUB_DEFAULT` that selects a kernel; `None` if GRUB is not the boot loader or
/// lists no such kernel.
pub(super) fn grub_entry(reader: &Reader<'_>, kernel: &KernelRelease) -> Option<String> {
    let is_grub = loader(reader) != Some(BootLoader::SystemdBoot);
    let is_direct = sync(reader) == BootSync::Direct;
    let bytes = reader.large(MENU, MAX_MENU).filter(|_| is_grub && is_direct)?;
    selector(&menu(&String::from_utf8_lossy(&bytes)), kernel)
}

struct Scene<'a> {
    reader: &'a Reader<'a>,
    kernels: &'a Kernels,
    sync: BootSync,
}

impl Scene<'_> {
    /// `00_header` of grub-common 2.06-13+deb12u2 writes a menu that boots `next_entry`, or else
    /// `GRUB_DEFAULT`. Proxmox VE's pins are a drop-in that sets `GRUB_DEFAULT`.
    fn grub(&self) -> Option<BootsNext> {
        let menu = self.menu();
        if let Some(entry) = self.in_block("next_entry") {
            return self.chosen(&menu, &entry, BootReason::GrubNextEntry, GRUB_BLOCK, true);
        }
        let default = setting(self.reader, "GRUB_DEFAULT");
        let beats_pin =
            default.as_ref().is_some_and(|it| it.path.as_str() > SNIPPET && it.path != DROP_IN);
        if !beats_pin && let Some(pinned) = self.pin() {
            return Some(pinned);
        }
        let Some(Setting { path, value }) = default else { return self.newest() };
        match value {
            Value::Expansion => {
                self.reader.note(&path, "only a shell can evaluate the value of GRUB_DEFAULT");
                None
            }
            Value::Text(text) if text == "saved" => match self.in_block("saved_entry") {
                Some(entry) => self.chosen(&menu, &entry, BootReason::GrubSaved, &path, beats_pin),
                None => self.newest(),
            },
            Value::Text(text) => {
                self.chosen(&menu, &text, BootReason::GrubDefault, &path, beats_pin)
            }
        }
    }

    /// Where ESPs are managed, GRUB reads the menu on these, and the one on the root file system is
    /// of an earlier time.
    fn menu(&self) -> Vec<Entry> {
        if self.sync == BootSync::ProxmoxBootTool {
            return Vec::new();
        }
        let bytes = self.reader.large(MENU, MAX_MENU).unwrap_or_default();
        menu(&String::from_utf8_lossy(&bytes))
    }

    fn in_block(&self, name: &str) -> Option<String> {
        let is_read = self.sync == BootSync::Direct;
        in_block(&self.reader.text(GRUB_BLOCK).filter(|_| is_read)?, name)
    }

    fn chosen(
        &self,
        menu: &[Entry],
        spec: &str,
        because: BootReason,
        path: &str,
        beats_pin: bool,
    ) -> Option<BootsNext> {
        let newest = self.kernels.newest()?;
        // The next `update-grub` adds a kernel that the menu does not have yet.
        let is_stale = !menu.iter().any(|entry| entry.lists(newest));
        let kernel = match select(menu, spec) {
            Some(Selected::First(first)) => match &first.kernel {
                Some(kernel) if kernel != newest && !is_stale => kernel,
                _ => return self.newest(),
            },
            Some(Selected::Other(entry)) if entry.kernel.is_some() => entry.kernel.as_ref()?,
            Some(Selected::Other(_)) => {
                self.reader.note(path, "the selected boot entry starts no kernel of this host");
                return None;
            }
            None => match self.named(spec) {
                Some(kernel) => kernel,
                None if matches!(spec, "0" | "") => return self.newest(),
                None => {
                    self.reader
                        .note(path, "the selected boot entry is in no menu that can be read");
                    return None;
                }
            },
        };
        Some(boots(kernel, because, path, beats_pin))
    }

    fn systemd_boot(&self) -> Option<BootsNext> {
        let esp = Esp::look(self.reader);
        let variables = [
            ("LoaderEntryOneShot", BootReason::LoaderOneshot),
            ("LoaderEntryDefault", BootReason::LoaderDefault),
        ];
        for (name, because) in variables {
            let Some(entry) = entry_in(self.reader, name) else { continue };
            let path = variable_path(name, efi::LOADER);
            if let Some(kernel) = self.entry(esp.as_ref(), &entry) {
                return Some(boots(kernel, because, &path, true));
            }
            self.reader.note(&path, "the selected boot entry starts no kernel of this host");
        }
        // Only on ESPs that it manages does `proxmox-boot-tool` write the pin into `loader.conf`.
        let is_managed = self.sync == BootSync::ProxmoxBootTool;
        if is_managed && let Some(pinned) = self.pin() {
            return Some(pinned);
        }
        let Some((esp, pattern)) = esp.as_ref().and_then(|esp| Some((esp, esp.default.as_ref()?)))
        else {
            return self.newest();
        };
        if pattern == "@saved" {
            self.reader.note(&esp.path, "`default @saved`: the entry that was booted last");
            return None;
        }
        match esp.select(pattern) {
            Some(Match::Kernel(kernel)) => {
                Some(boots(kernel, BootReason::LoaderConf, &esp.path, !is_managed))
            }
            Some(Match::Newest) | None => self.newest(),
        }
    }

    fn entry<'k>(&'k self, esp: Option<&'k Esp>, name: &str) -> Option<&'k KernelRelease> {
        match esp.and_then(|esp| esp.select(name)) {
            Some(Match::Kernel(kernel)) => Some(kernel),
            _ => self.named(name),
        }
    }

    /// Returns the pinned kernel. GRUB boots its first entry instead if the kernel is gone, but on
    /// managed ESPs the image stays.
    fn pin(&self) -> Option<BootsNext> {
        let Kernels { pinned, pinned_next, .. } = self.kernels;
        let pins =
            [(pinned_next, BootReason::NextBootPin, PIN_NEXT), (pinned, BootReason::Pin, PIN)];
        let is_there = |kernel: &&KernelRelease| {
            self.sync == BootSync::ProxmoxBootTool || self.images().any(|image| image == *kernel)
        };
        let mut pins = pins.into_iter().filter_map(|(pin, because, path)| {
            let kernel = pin.as_ref().filter(is_there)?;
            Some(boots(kernel, because, path, because == BootReason::NextBootPin))
        });
        pins.next()
    }

    fn newest(&self) -> Option<BootsNext> {
        let kernel = self.kernels.newest()?.clone();
        Some(BootsNext { kernel, because: BootReason::Newest, set_in: None, beats_pin: false })
    }

    fn images(&self) -> impl Iterator<Item = &KernelRelease> {
        let boots = |kernel: &&Kernel| kernel.has.contains(&KernelPart::Image);
        self.kernels.installed.iter().filter(boots).map(|kernel| &kernel.release)
    }

    /// Returns the installed kernel whose release is in the name of an entry:
    /// `gnulinux-6.8.12-4-pve-advanced-…`, `proxmox-6.8.12-4-pve.conf`.
    fn named(&self, entry: &str) -> Option<&KernelRelease> {
        let is_in = |kernel: &&KernelRelease| {
            entry.match_indices(kernel.as_str()).any(|(at, text)| {
                let (before, after) = (&entry[..at], &entry[at + text.len()..]);
                !before.ends_with(|c: char| c.is_ascii_digit() || c == '.')
                    && !after.starts_with(|c: char| c.is_ascii_alphanumeric())
            })
        };
        self.images().filter(is_in).max_by_key(|kernel| kernel.as_str().len())
    }
}

fn boots(kernel: &KernelRelease, because: BootReason, path: &str, beats_pin: bool) -> BootsNext {
    BootsNext { kernel: kernel.clone(), because, set_in: HostPath::new(path).ok(), beats_pin }
}

#[cfg(test)]
mod tests;
