//! systemd-boot's settings and entries on a mounted EFI system partition, and its EFI variables.

use vgpu_manifest::platform::KernelRelease;

use super::boot::variable;
use super::efi;
use super::grub_menu::image;
use super::reader::Reader;

/// The mount points of the partition, in the order of `bootctl`.
const MOUNTS: [&str; 3] = ["/efi", "/boot", "/boot/efi"];

/// The partition's settings and entries.
#[derive(Debug)]
pub(super) struct Esp {
    /// The path of its `loader.conf`.
    pub(super) path: String,
    /// The pattern of the default entry.
    pub(super) default: Option<String>,
    /// The entries that start a kernel, by file name.
    entries: Vec<(String, KernelRelease)>,
}

/// The entry that a pattern selects.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match<'e> {
    /// The newest kernel, also after a newer one was installed.
    Newest,
    /// This kernel.
    Kernel(&'e KernelRelease),
}

impl Esp {
    /// Returns the first mounted partition with a `loader.conf`.
    pub(super) fn look(reader: &Reader<'_>) -> Option<Self> {
        let (mount, path, text) = MOUNTS.into_iter().find_map(|mount| {
            let path = format!("{mount}/loader/loader.conf");
            Some((mount, reader.text(&path)?)).map(|(mount, text)| (mount, path, text))
        })?;
        let folder = format!("{mount}/loader/entries");
        let names = reader.names_with(&folder, "conf").into_iter();
        let entries = names.filter_map(|name| {
            let kernel = kernel(&reader.text(&format!("{folder}/{name}"))?)?;
            Some((name, kernel))
        });
        Some(Self { path, default: value(&text, "default"), entries: entries.collect() })
    }

    /// Returns the newest kernel whose entry a pattern matches; `None` if there is no such entry.
    pub(super) fn select(&self, pattern: &str) -> Option<Match<'_>> {
        let kernels = self.entries.iter().map(|(_, kernel)| kernel);
        let matches = self.entries.iter().filter(|(name, _)| {
            // Before systemd 250, an entry was named without the suffix.
            is_like(pattern, name) || is_like(pattern, name.trim_end_matches(".conf"))
        });
        let kernel = matches.map(|(_, kernel)| kernel).max()?;
        let is_open = pattern.contains(['*', '?']) && kernels.max() == Some(kernel);
        Some(if is_open { Match::Newest } else { Match::Kernel(kernel) })
    }
}

/// Returns the entry in one of systemd-boot's variables.
pub(super) fn entry_in(reader: &Reader<'_>, name: &str) -> Option<String> {
    Some(efi::text(&variable(reader, name, efi::LOADER)?)).filter(|entry| !entry.is_empty())
}

/// Returns the kernel of an entry: by its image, or by `version` where the image has another name.
fn kernel(entry: &str) -> Option<KernelRelease> {
    let linux = value(entry, "linux").and_then(|path| image(&path));
    linux.or_else(|| value(entry, "version")?.parse().ok())
}

/// Returns the last value of a key.
fn value(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
    lines.filter(|(name, _)| *name == key).map(|(_, value)| value.trim().to_owned()).next_back()
}

/// Checks whether a name matches a pattern with `*` and `?`. Entries have no upper case.
fn is_like(pattern: &str, name: &str) -> bool {
    let [pattern, name] = [pattern, name].map(|text| text.to_ascii_lowercase().into_bytes());
    let (mut p, mut n) = (0, 0);
    // The last asterisk, and the end of what it matches so far.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b) if *b == b'?' || *b == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, end)) = star else { return false };
                star = Some((at, end + 1));
                (p, n) = (at + 1, end + 1);
            }
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_names_its_kernel() {
        // As `zz-proxmox-boot` of proxmox-kernel-helper 8.1.0 writes it.
        let of_proxmox = "title    Proxmox Virtual Environment\nversion  6.8.12-4-pve\n\
            options  root=ZFS=rpool/ROOT/pve-1 boot=zfs\n\
            linux    /EFI/proxmox/6.8.12-4-pve/vmlinuz-6.8.12-4-pve\n\
            initrd   /EFI/proxmox/6.8.12-4-pve/initrd.img-6.8.12-4-pve\n";
        assert_eq!(kernel(of_proxmox).unwrap().as_str(), "6.8.12-4-pve");
        // As `kernel-install` of systemd 252 writes it.
        let of_systemd = "title      Debian GNU/Linux 12 (bookworm)\nversion    6.1.0-18-amd64\n\
            machine-id 0123456789abcdef0123456789abcdef\n\
            linux      /0123456789abcdef0123456789abcdef/6.1.0-18-amd64/linux\n";
        assert_eq!(kernel(of_systemd).unwrap().as_str(), "6.1.0-18-amd64");
        assert_eq!(kernel("title Windows\nefi /EFI/Microsoft/Boot/bootmgfw.efi\n"), None);
    }

    #[test]
    fn the_newest_entry_of_a_pattern_is_selected() {
        let entries = ["6.8.12-4-pve", "6.8.12-43-pve"];
        let entries = entries.map(|it| (format!("proxmox-{it}.conf"), it.parse().unwrap()));
        let esp = Esp { path: String::new(), default: None, entries: entries.into() };
        let old: KernelRelease = "6.8.12-4-pve".parse().unwrap();
        let new: KernelRelease = "6.8.12-43-pve".parse().unwrap();
        assert_eq!(esp.select("proxmox-*"), Some(Match::Newest));
        assert_eq!(esp.select("proxmox-6.8.12-4-pve.conf"), Some(Match::Kernel(&old)));
        assert_eq!(esp.select("PROXMOX-6.8.12-43-pve"), Some(Match::Kernel(&new)));
        assert_eq!(esp.select("*12-4-*"), Some(Match::Kernel(&old)));
        assert_eq!(esp.select("*-amd64.conf"), None);
    }

    #[test]
    fn asterisks_match_any_text() {
        for (pattern, name) in [("*", ""), ("a*c", "abbc"), ("a?c*", "abc"), ("*a*b", "xaab")] {
            assert!(is_like(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a?", "a"), ("a*b", "abc"), ("?", "")] {
            assert!(!is_like(pattern, name), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(pattern in "[a*?]{0,8}", name in "[ab]{0,8}", text in "\\PC*\n\\PC*") {
            is_like(&pattern, &name);
            kernel(&text);
        }
    }
}
