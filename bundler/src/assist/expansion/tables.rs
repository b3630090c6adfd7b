//! The entries that follow from `[vgpu]` and `[packages]`, as tables of a recipe.

use anyhow::Context as _;
use toml::{Table, Value};
use vgpu_manifest::catalog::{Driver, DriverFile, Patch};
use vgpu_manifest::package::Fingerprint;
use vgpu_manifest::platform::PveSeries;
use vgpu_manifest::ui::Exit;
use vgpu_manifest::verdict::{Install, Unlock};

use super::presets::Suite;
use super::short::{Guest, Packages, Settings};
use super::{Plan, Preset};
use crate::assist::Licensing;
use crate::types::{Address, is_enterprise};
use crate::ui::Advise as _;

/// An entry, with the name of its list.
type Item = (&'static str, Table);

impl Plan<'_> {
    /// Returns the items and packages.
    pub(super) fn items(
        &self,
        packages: Option<&Packages>,
        mirrors: &dyn Fn(Preset) -> Vec<Address>,
    ) -> anyhow::Result<Vec<Item>> {
        let mut items = Vec::new();
        if let Some(packages) = packages {
            items.extend(self.apt(packages, mirrors)?);
        }
        if let Some(install) = self.proposal.install() {
            items.push(self.driver(install));
            items.extend(self.proposal.unlock().iter().flat_map(|it| self.unlock(install, it)));
            for guest in &self.vgpu.guests {
                items.push(self.guest(*guest, install.driver)?);
            }
        }
        if let Licensing::FastapiDls(image) = &self.vgpu.licensing {
            let name = "licensing/fastapi-dls.tar".to_owned();
            items.push(("image", table([("name", name), ("image", image.to_string())])));
        }
        Ok(items)
    }

    /// Returns the declaration of the machines, unless GPUs are passed through.
    pub(super) fn targets(&self) -> anyhow::Result<Option<Table>> {
        let targets = self.proposal.targets();
        Ok(targets.map(|targets| Table::try_from(&targets)).transpose()?)
    }

    /// Returns the changes to the host.
    pub(super) fn host(&self) -> Table {
        let mut host = table([("iommu", "on".to_owned())]);
        let lists = [("modules", self.proposal.modules()), ("modprobe", self.proposal.modprobe())];
        for (key, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
            host.insert(key.to_owned(), list(values));
        }
        host
    }

    fn driver(&self, install: &Install<'_>) -> Item {
        let usual = &install.driver.file;
        let (file, path) = match &self.vgpu.driver_file {
            Some(path) if is_enterprise(path.as_path()) => {
                (install.driver.enterprise_file(), path.to_string())
            }
            Some(path) => (usual.clone(), path.to_string()),
            None => (usual.clone(), self.input(usual)),
        };
        ("driver", table([("name", format!("driver/{file}")), ("path", path)]))
    }

    fn unlock(&self, install: &Install<'_>, unlock: &Unlock<'_>) -> Vec<Item> {
        let mut items = Vec::new();
        if let Some(patch) = unlock.patch.filter(|_| install.file == DriverFile::Patched) {
            let Patch { host, sha256, .. } = patch;
            let name = format!("driver/{host}.patch");
            let mut entry = table([("name", name), ("path", self.input(&format!("{host}.patch")))]);
            entry.extend(sha256.map(|it| ("sha256".to_owned(), it.to_string().into())));
            items.push(("patch", entry));
        }
        if unlock.library.is_some() {
            let name = "unlock/vgpu_unlock-rs.tar.zst".to_owned();
            items.push(("unlock", table([("name", name)])));
        }
        items
    }

    /// Returns a guest driver, from the portal archive or from its own file.
    fn guest(&self, guest: Guest, driver: &Driver) -> anyhow::Result<Item> {
        let archive = self.vgpu.driver_file.as_ref();
        let archive = archive.filter(|path| path.as_path().extension() == Some("zip"));
        let (kind, version) = match guest {
            Guest::Linux => ("guest", &driver.linux_guest),
            Guest::Windows => ("windows-guest", &driver.windows_guest),
        };
        let (name, path) = match (guest, archive) {
            (Guest::Linux, archive) => {
                let file = format!("NVIDIA-Linux-x86_64-{version}-grid.run");
                let path = archive.map_or_else(|| self.input(&file), ToString::to_string);
                (format!("guest/{file}"), path)
            }
            (Guest::Windows, Some(archive)) => {
                (format!("guest/windows-{version}.exe"), archive.to_string())
            }
            (Guest::Windows, None) => {
                let message = "the Windows guest driver is taken from the portal .zip, but `driver-file` is none";
                return Err(Exit::Usage.error(message))
                    .hint("name the .zip with `driver-file`, or add a `[[driver]]` entry");
            }
        };
        Ok(("driver", table([("name", name), ("path", path), ("kind", kind.to_owned())])))
    }

    /// Returns the packages that the node needs; `None` if it needs none.
    fn apt(
        &self,
        packages: &Packages,
        mirrors: &dyn Fn(Preset) -> Vec<Address>,
    ) -> anyhow::Result<Option<Item>> {
        if let Some(unlisted) = packages.unlisted() {
            let message =
                format!("`[packages]` describes `{unlisted}`, which `archives` does not list");
            return Err(Exit::Usage.error(message).into());
        }
        let running = self.inventory.as_ref().and_then(|it| it.kernels.running.as_ref());
        let mut install: Vec<String> =
            self.proposal.packages(running).into_iter().map(str::to_owned).collect();
        install.extend(packages.install.iter().map(ToString::to_string));
        if install.is_empty() {
            return Ok(None);
        }
        let pve = self.pve().context(
            "`[packages]` needs the Proxmox VE release: name it with `pve`, or the inventory with `node`",
        )?;
        let mut archives = Vec::new();
        for preset in &packages.archives {
            archives.extend(archive(*preset, pve, packages.settings(*preset), mirrors)?);
        }
        let mut apt = table([("release", pve.debian().to_owned())]);
        apt.insert("install".to_owned(), list(&install));
        apt.insert("upgrades".to_owned(), packages.upgrades.to_string().into());
        if let Some(node) = &self.vgpu.node {
            apt.insert("inventory".to_owned(), node.to_string().into());
        }
        apt.insert("archive".to_owned(), Value::Array(archives));
        Ok(Some(("apt", apt)))
    }
}

/// Returns the suites of a known archive.
fn archive(
    preset: Preset,
    pve: PveSeries,
    settings: &Settings,
    known: &dyn Fn(Preset) -> Vec<Address>,
) -> anyhow::Result<Vec<Value>> {
    let own = &settings.mirror.0;
    let mirrors = if own.is_empty() { known(preset) } else { own.clone() };
    if mirrors.is_empty() {
        return Err(anyhow::anyhow!("no mirror of the archive `{preset}` is known")).hint(format!(
            "name one in `[packages]`: `{preset}.mirror = \"https://mirror.example/…\"`"
        ));
    }
    let above: Vec<String> = mirrors.iter().filter_map(folder_above).collect();
    let mirrors: Vec<String> = mirrors.into_iter().map(String::from).collect();
    let suites = preset.suites(pve).into_iter().map(|it| {
        let Suite { name, folder, component, signed_by } = it;
        let mut archive = table([("name", name.clone())]);
        let mut add = |key: &str, value: Value| archive.insert(key.to_owned(), value);
        add("mirror", one_or_list(&mirrors));
        if folder != name {
            add("suite", folder.into());
        }
        add("components", list(&[component]));
        match (&settings.keyring, preset.keyrings(pve)) {
            (Some(path), _) => {
                add("keyring", path.to_string().into());
            }
            (None, []) => {}
            (None, keyrings) => {
                let each =
                    above.iter().flat_map(|it| keyrings.iter().map(move |file| it.clone() + file));
                add("keyring-url", one_or_list(&each.collect::<Vec<_>>()));
            }
        }
        let own: Vec<_> = settings.signed_by.0.iter().map(Fingerprint::as_str).collect();
        add("signed-by", one_or_list(if own.is_empty() { signed_by } else { &own }));
        // Debian's long-term support of bullseye ended in August 2026, so its updates expire.
        if pve == PveSeries::Seven && !preset.is_proxmox() {
            add("expired", "accept".into());
        }
        Value::Table(archive)
    });
    Ok(suites.collect())
}

/// Returns the address of the folder above an archive, with a final slash.
fn folder_above(mirror: &Address) -> Option<String> {
    let mirror = String::from(mirror.clone());
    let (above, _) = mirror.trim_end_matches('/').rsplit_once('/')?;
    Some(format!("{above}/")).filter(|above| above.parse::<Address>().is_ok())
}

fn table<const N: usize>(fields: [(&str, String); N]) -> Table {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

fn list<S: ToString>(values: &[S]) -> Value {
    Value::Array(values.iter().map(|it| it.to_string().into()).collect())
}

fn one_or_list<S: ToString>(values: &[S]) -> Value {
    match values {
        [one] => one.to_string().into(),
        all => list(all),
    }
}
