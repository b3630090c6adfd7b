//! Rules for a configuration that hold on every host, so that the laptop enforces them too.

use std::collections::BTreeSet;

use super::Wants;
use crate::limits::{
    MAX_ITEMS, MAX_KERNEL_LINE, MAX_KERNEL_WORDS, MAX_MODULES, MAX_OVERRIDES, MAX_UNITS,
};
use crate::{HostPath, Mode, UnitName, printable};

/// The configuration is refused on every host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WantsError {
    /// A bundle asks for more of one kind than the limit.
    #[error("{count} {what} exceed the limit of a bundle ({limit})")]
    TooMany {
        /// The kind, in the plural.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A file would run with the rights of its owner, or has the sticky bit.
    #[error("{path} has mode {mode}; set-id and sticky bits are refused")]
    Mode {
        /// The file.
        path: HostPath,
        /// Its mode.
        mode: Mode,
    },
    /// An enabled unit is a template.
    #[error("{0} is a template and cannot be enabled; name an instance of it")]
    Template(UnitName),
    /// The installer writes this path itself.
    #[error("vgpu-installer writes {} itself; {instead}", printable(.path))]
    Reserved {
        /// The path.
        path: String,
        /// The alternative.
        instead: &'static str,
    },
    /// Two files, units or drop-ins have the same path on the host.
    #[error("two items are placed at {}", printable(.0))]
    PathTwice(String),
}

/// Returns what to do instead of placing an item at a path of the installer.
fn reserved(path: &str) -> Option<&'static str> {
    match path {
        "/usr/local/sbin/vgpu-installer" => Some("remove the item"),
        "/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so" => {
            Some("use `[[unlock]]` for the library")
        }
        "/etc/vgpu_unlock/config.toml" => Some("set its keys in `[host.unlock]`"),
        "/etc/vgpu_unlock/profile_override.toml" => {
            Some("write `overrides = { path = \"FILE\" }` in `[host]`")
        }
        // Its folders, drop-ins, hooks and rules all have this name.
        _ if path.contains("vgpu-offline") => Some("choose a name without `vgpu-offline`"),
        _ => None,
    }
}

impl Wants {
    /// Checks the rules that hold on every host.
    ///
    /// The limits keep a plan from taking minutes.
    pub fn check(&self) -> Result<(), WantsError> {
        self.check_counts()?;
        if let Some(file) = self.files.iter().find(|file| !file.mode.to_string().starts_with('0')) {
            return Err(WantsError::Mode { path: file.path.clone(), mode: file.mode });
        }
        let enabled = self.units.iter().filter(|unit| unit.wanted_by.is_some());
        if let Some(unit) = enabled.map(|unit| &unit.name).find(|name| name.as_str().contains("@."))
        {
            return Err(WantsError::Template(unit.clone()));
        }
        let mut taken = BTreeSet::new();
        for path in self.paths() {
            if let Some(instead) = reserved(&path) {
                return Err(WantsError::Reserved { path, instead });
            }
            if !taken.insert(path.clone()) {
                return Err(WantsError::PathTwice(path));
            }
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), WantsError> {
        let Self { kernel_words, modules, modprobe, packages, overrides, .. } = self;
        let length = kernel_words.iter().map(|word| word.as_str().len() + 1).sum();
        let install = packages.install.as_ref().map_or(0, Vec::len);
        let overrides = overrides.profile.len() + overrides.mdev.len() + overrides.vm.len();
        for (what, count, limit) in [
            ("kernel parameters", kernel_words.len(), MAX_KERNEL_WORDS),
            ("bytes of kernel parameters", length, MAX_KERNEL_LINE),
            ("kernel modules", modules.len(), MAX_MODULES),
            ("lines for modprobe", modprobe.len(), MAX_MODULES),
            ("packages to install", install, MAX_ITEMS),
            ("overrides of vGPU types", overrides, MAX_OVERRIDES),
            ("files", self.files.len(), MAX_ITEMS),
            ("units", self.units.len(), MAX_UNITS),
            ("drop-ins", self.drop_ins.len(), MAX_UNITS),
            ("guest tools", self.guest_tools.len(), MAX_UNITS),
        ] {
            if count > limit {
                return Err(WantsError::TooMany { what, count, limit });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_limits() {
        let words = |count| {
            let words: Vec<_> = (0..count).map(|n| format!("a{n}")).collect();
            serde_json::from_value::<Wants>(serde_json::json!({ "kernel-words": words })).unwrap()
        };
        assert_eq!(words(MAX_KERNEL_WORDS).check(), Ok(()));
        let error = words(MAX_KERNEL_WORDS + 1).check().unwrap_err();
        assert_eq!(error.to_string(), "129 kernel parameters exceed the limit of a bundle (128)");
        let long = vec!["a".repeat(200); 6];
        let wants = serde_json::json!({ "kernel-words": long });
        let error = serde_json::from_value::<Wants>(wants).unwrap().check().unwrap_err();
        assert!(error.to_string().contains("bytes of kernel parameters"), "{error}");
    }

    #[test]
    fn paths_of_the_installer_and_unsafe_files_are_refused() {
        let file = |path: &str| serde_json::json!({ "file": [{ "item": "a", "path": path }] });
        for (wants, why) in [
            (file("/var/lib/vgpu-offline/journal.db"), "without `vgpu-offline`"),
            (file("/etc/vgpu-offline/policy.toml"), "without `vgpu-offline`"),
            (file("/etc/modprobe.d/vgpu-offline.conf"), "without `vgpu-offline`"),
            (file("/etc/default/grub.d/vgpu-offline.cfg"), "without `vgpu-offline`"),
            (file("/etc/udev/rules.d/62-vgpu-offline.rules"), "without `vgpu-offline`"),
            (file("/usr/local/sbin/vgpu-installer"), "remove the item"),
            (file("/etc/vgpu_unlock/config.toml"), "`[host.unlock]`"),
            (file("/etc/vgpu_unlock/profile_override.toml"), "`overrides = { path"),
            (file("/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so"), "`[[unlock]]`"),
            (
                serde_json::json!({
                    "drop-in": [{ "unit": "nvidia-vgpud.service", "name": "vgpu-offline.conf", "item": "a" }]
                }),
                "nvidia-vgpud.service.d/vgpu-offline.conf itself",
            ),
            (
                serde_json::json!({ "unit": [{ "name": "vgpu-offline-resume.service", "item": "a" }] }),
                "without `vgpu-offline`",
            ),
            (
                serde_json::json!({
                    "unit": [{ "name": "v@.service", "item": "a", "wanted-by": "multi-user.target" }]
                }),
                "is a template",
            ),
            (
                serde_json::json!({ "file": [{ "item": "a", "path": "/x", "mode": "4755" }] }),
                "set-id",
            ),
            (
                serde_json::json!({
                    "unit": [{ "name": "v.service", "item": "a" }],
                    "file": [{ "item": "b", "path": "/etc/systemd/system/v.service" }]
                }),
                "two items are placed at /etc/systemd/system/v.service",
            ),
        ] {
            let error = serde_json::from_value::<Wants>(wants).unwrap().check().unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
        let own = serde_json::from_value::<Wants>(file("/etc/modprobe.d/site.conf")).unwrap();
        assert_eq!(own.check(), Ok(()));
    }
}
