//! GRUB's menu, and the entry that a value of `GRUB_DEFAULT` selects.

use vgpu_manifest::platform::KernelRelease;

use super::grub::words;

/// An entry of the menu.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    title: String,
    id: Option<String>,
    /// The kernel that it starts; `None` for a submenu, another system or a memory test.
    pub(super) kernel: Option<KernelRelease>,
    /// The entries of a submenu.
    entries: Vec<Entry>,
}

/// The deepest submenu that is read. `grub-mkconfig` nests one level.
const MAX_DEPTH: usize = 8;

/// An open brace of `grub.cfg`.
enum Block {
    Entry(Entry),
    Other,
}

/// Returns the entries of a `grub.cfg` as `grub-mkconfig` writes it: a brace is opened at the end
/// of a line and closed on a line of its own. Conditions are not evaluated.
pub(super) fn menu(text: &str) -> Vec<Entry> {
    let mut open: Vec<Block> = Vec::new();
    let mut top = Vec::new();
    for line in text.lines().map(str::trim) {
        let line_words = words(line);
        let first = line_words.first().map_or("", String::as_str);
        if line == "}" {
            if let Some(Block::Entry(entry)) = open.pop() {
                innermost(&mut open).map_or(&mut top, |parent| &mut parent.entries).push(entry);
            }
        } else if line.ends_with('{') {
            let is_entry = matches!(first, "menuentry" | "submenu") && open.len() < MAX_DEPTH;
            let entry = is_entry.then(|| Block::Entry(Entry::of(&line_words[1..])));
            open.push(entry.unwrap_or(Block::Other));
        } else if matches!(first, "linux" | "linux16" | "linuxefi" | "module" | "module2")
            && let Some(entry) = innermost(&mut open)
            && entry.kernel.is_none()
        {
            entry.kernel = line_words[1..].iter().find_map(|word| image(word));
        }
    }
    top
}

fn innermost(open: &mut [Block]) -> Option<&mut Entry> {
    open.iter_mut().rev().find_map(|block| match block {
        Block::Entry(entry) => Some(entry),
        Block::Other => None,
    })
}

/// Returns the kernel of an image: `/ROOT/pve-1@/boot/vmlinuz-6.8.12-4-pve`. `10_linux` of
/// Debian prefers an image with the suffix `.efi.signed`.
pub(super) fn image(path: &str) -> Option<KernelRelease> {
    let release = path.rsplit('/').next()?.strip_prefix("vmlinuz-")?;
    release.strip_suffix(".efi.signed").unwrap_or(release).parse().ok()
}

impl Entry {
    fn of(arguments: &[String]) -> Self {
        let mut entry = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                // `00_header` sets the variable to `--id` where GRUB supports it.
                "$menuentry_id_option" | "--id" => entry.id = words.next().cloned(),
                "--class" | "--users" | "--hotkey" | "--source" => _ = words.next(),
                other if other.starts_with("--") => {
                    let id = other.strip_prefix("--id=").map(str::to_owned);
                    entry.id = id.or(entry.id.take());
                }
                other if entry.title.is_empty() => other.clone_into(&mut entry.title),
                _ => {}
            }
        }
        entry
    }

    fn is(&self, name: &str) -> bool {
        self.title == name || self.id.as_deref() == Some(name)
    }

    /// Checks whether the entry or its submenu starts this kernel.
    pub(super) fn lists(&self, kernel: &KernelRelease) -> bool {
        self.kernel.as_ref() == Some(kernel) || self.entries.iter().any(|it| it.lists(kernel))
    }
}

/// Returns a value of `GRUB_DEFAULT` that selects a kernel, by ids that name it, so that it selects no
/// other kernel later; `None` if the menu has no such entry.
pub(super) fn selector(menu: &[Entry], kernel: &KernelRelease) -> Option<String> {
    let is_plain = |id: &&str| {
        id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'+'))
    };
    menu.iter().find_map(|entry| {
        let id = entry.id.as_deref().filter(is_plain)?;
        if entry.entries.is_empty() {
            let is_it = entry.kernel.as_ref() == Some(kernel) && id.contains(kernel.as_str());
            return is_it.then(|| id.to_owned());
        }
        Some(format!("{id}>{}", selector(&entry.entries, kernel)?))
    })
}

/// The entry that GRUB boots.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selected<'m> {
    /// The first one of the menu.
    First(&'m Entry),
    /// Another one, or the first one by the name of its kernel.
    Other(&'m Entry),
}

/// Returns the entry that `spec` selects; `None` for an empty menu.
///
/// A path is separated by `>`, and `>>` stands for that character itself. Each part is a number from
/// 0, a title or an id (`get_entry_number` and `menuentry_eq` in `grub-core/normal/menu.c` of GRUB
/// 2.06). GRUB boots the first entry of a menu in which it does not find the part.
pub(super) fn select<'m>(menu: &'m [Entry], spec: &str) -> Option<Selected<'m>> {
    if let Some(entry) = by_old_title(menu, spec) {
        return Some(Selected::Other(entry));
    }
    let mut parts = path(spec).into_iter();
    let at = parts.next().and_then(|part| index(menu, &part)).unwrap_or_default();
    let mut entry = menu.get(at)?;
    let is_first = at == 0 && entry.entries.is_empty();
    while !entry.entries.is_empty() {
        let at = parts.next().and_then(|part| index(&entry.entries, &part)).unwrap_or_default();
        entry = entry.entries.get(at)?;
    }
    let names_kernel = entry.kernel.as_ref().is_some_and(|it| spec.contains(it.as_str()));
    Some(if is_first && !names_kernel { Selected::First(entry) } else { Selected::Other(entry) })
}

/// Returns the entry of a submenu that is selected by its title alone. `10_linux` writes code into
/// `grub.cfg` that replaces such a title, which GRUB before 2.00 used, by the path.
fn by_old_title<'m>(menu: &'m [Entry], spec: &str) -> Option<&'m Entry> {
    let title = spec.strip_prefix("Previous Linux versions>").unwrap_or(spec);
    let is_known = index(menu, path(spec).first()?).is_some();
    let mut nested = menu.iter().flat_map(|submenu| &submenu.entries);
    nested.find(|entry| !is_known && entry.title == title)
}

/// Splits a path into its parts.
fn path(spec: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = spec.chars().peekable();
    while let Some(c) = chars.next() {
        let is_escaped = c == '>' && chars.next_if_eq(&'>').is_some();
        if c == '>' && !is_escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

fn index(menu: &[Entry], part: &str) -> Option<usize> {
    let is_number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if is_number {
        return part.parse().ok().filter(|at| *at < menu.len());
    }
    menu.iter().position(|entry| entry.is(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The menu that `10_linux` and `30_uefi-firmware` of Debian's grub-common 2.06-13+deb12u2
    /// write for two kernels of Proxmox VE 8 on LVM.
    const MENU: &str = include_str!("grub_menu/pve-8.cfg");

    fn boots(spec: &str) -> (String, bool) {
        let menu = menu(MENU);
        let selected = select(&menu, spec).unwrap();
        let is_first = matches!(selected, Selected::First(_));
        let (Selected::First(entry) | Selected::Other(entry)) = selected;
        (entry.kernel.as_ref().map_or("none".to_owned(), ToString::to_string), is_first)
    }

    const NEW: &str = "6.8.12-43-pve";
    const OLD: &str = "6.8.12-4-pve";
    const ROOT: &str = "5f3f2c8e-6a1d-4c0e-9a57-0d2b7d4f1e11";

    #[test]
    fn numbers_titles_and_ids_select_entries_of_submenus() {
        let advanced = format!("gnulinux-advanced-{ROOT}>gnulinux-{OLD}-advanced-{ROOT}");
        let recovery = format!("gnulinux-advanced-{ROOT}>gnulinux-{OLD}-recovery-{ROOT}");
        for spec in [
            "1>2",
            "1>3",
            &advanced,
            &recovery,
            "1>Proxmox VE GNU/Linux, with Linux 6.8.12-4-pve",
            "Advanced options for Proxmox VE GNU/Linux>Proxmox VE GNU/Linux, with Linux 6.8.12-4-pve",
            // Code in `grub.cfg` corrects these.
            "Proxmox VE GNU/Linux, with Linux 6.8.12-4-pve",
            "Previous Linux versions>Proxmox VE GNU/Linux, with Linux 6.8.12-4-pve",
        ] {
            assert_eq!(boots(spec), (OLD.to_owned(), false), "{spec}");
        }
        for spec in ["1", "1>0", "1>9", "1>gone", &format!("gnulinux-advanced-{ROOT}")] {
            assert_eq!(boots(spec), (NEW.to_owned(), false), "{spec}");
        }
        assert_eq!(boots("uefi-firmware"), ("none".to_owned(), false));
        assert_eq!(boots("2"), ("none".to_owned(), false));
    }

    #[test]
    fn what_is_not_in_the_menu_is_the_first_entry() {
        let simple = format!("gnulinux-simple-{ROOT}");
        let gone = format!("gnulinux-{OLD}-advanced-{ROOT}");
        for spec in ["0", "0>1", "", "7", "gone", "Proxmox VE GNU/Linux", &simple, &gone] {
            assert_eq!(boots(spec), (NEW.to_owned(), true), "{spec}");
        }
        assert_eq!(select(&[], "0"), None);
    }

    #[test]
    fn a_title_may_have_quotes_and_the_separator_of_paths() {
        let text = "menuentry \"a\\\"b\" --hotkey=r {\n\tchainloader +1\n}\n\
                    submenu 'It'\\''s >= 6' --class x --id=sub {\n\
                    \tmenuentry 'x' --id x --unrestricted {\n\
                    \tlinux16 /ROOT/pve-1@/boot/vmlinuz-6.1.0-53-amd64.efi.signed ro\n}\n}\n";
        let menu = menu(text);
        assert_eq!(menu[0].title, "a\"b");
        assert_eq!((menu[1].title.as_str(), menu[1].id.as_deref()), ("It's >= 6", Some("sub")));
        let expected = Selected::Other(&menu[1].entries[0]);
        assert_eq!(select(&menu, "It's >>= 6>x").as_ref(), Some(&expected));
        assert_eq!(menu[1].entries[0].kernel.as_ref().unwrap().as_str(), "6.1.0-53-amd64");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text in "((menuentry|submenu|linux|\\}|function)? ?['\"\\\\>]{0,3}[a-z0-9/-]{0,9} ?[{}]?\n){0,30}",
            spec in "[0-3>a-z]{0,8}",
        ) {
            select(&menu(&text), &spec);
            menu(&"submenu a {\n".repeat(500));
        }
    }
}
