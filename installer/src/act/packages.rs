use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{Mark, Package, PackageName, PackageState, PackageVersion};
use vgpu_manifest::package::PackageReason;

use super::tolerate;
use crate::facts::installed_packages;
use crate::host::{Command, Door, Host, HostError, Look};
use crate::journal::{Act, ActError, Kept, KeptThing, Why};
use crate::packages::apt::{self, Doing};
use crate::packages::{Area, PackageError, PackageFile, Simulation, find, lacking};
use crate::state;

/// The metapackage that makes a host a Proxmox VE host.
const PROXMOX_VE: &str = "proxmox-ve";

/// One run of apt that installs packages, with what it takes to recover from a power cut and to
/// revert it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PackageChange {
    /// The packages that apt is asked for.
    pub(crate) ask: Vec<PackageName>,
    /// The packages that the bundle carries.
    pub(crate) files: Vec<PackageFile>,
    /// The previous state of each package that apt would install.
    pub(crate) before: Vec<Before>,
}

/// The previous state of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Before {
    /// Its name.
    pub(crate) name: PackageName,
    /// The version that apt would install.
    pub(crate) becomes: PackageVersion,
    /// The previous state; `None` if dpkg had no record of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) was: Option<Package>,
}

impl Before {
    /// Checks whether its files were installed, and not only its configuration.
    fn had_files(&self) -> bool {
        self.was.as_ref().is_some_and(|was| was.state != PackageState::ConfigFiles)
    }
}

impl PackageChange {
    /// Works out which packages apt has to install for those that the bundle requests.
    ///
    /// # Errors
    ///
    /// apt would do more than the bundle names, by its own simulation.
    pub(crate) fn prepare(
        host: &mut dyn Host,
        files: &[PackageFile],
    ) -> Result<Self, PackageError> {
        let packages = installed_packages(host)?;
        let asked = lacking(&packages, files);
        let coming: Vec<_> = files.iter().filter(|file| !is_return(file)).collect();
        let exact: Vec<_> = asked.iter().map(|file| file.exact()).collect();
        let mut area = Area::with(host, &coming)?;
        let simulation = area.simulate(&apt::install(&exact, Doing::Saying))?;
        let install = match simulation {
            Some(simulation) => check(simulation, &coming, &[])?,
            // Where commands do not run, the request is all that is known.
            None => asked.iter().map(|file| (file.name.clone(), file.version.clone())).collect(),
        };
        let before = install.into_iter().map(|(name, becomes)| {
            let was = find(&packages, &name).cloned();
            Before { name, becomes, was }
        });
        Ok(Self {
            ask: asked.iter().map(|file| file.name.clone()).collect(),
            before: before.collect(),
            files: files.to_vec(),
        })
    }

    /// Returns the command that installs them.
    #[must_use]
    pub(crate) fn command(&self) -> Command {
        let asked = self.coming().filter(|file| self.ask.contains(&file.name));
        apt::install(&asked.map(PackageFile::exact).collect::<Vec<_>>(), Doing::Really)
    }

    /// Returns a line for each package: what reverting does to it.
    pub(crate) fn undone(&self) -> impl Iterator<Item = String> {
        self.before.iter().map(|before| {
            let name = before.name.as_str();
            match before.was.as_ref().filter(|_| before.had_files()) {
                None => format!("purge {name} {}", before.becomes.as_str()),
                Some(was) if self.carries(was) => {
                    format!(
                        "downgrade {name} {} to {}",
                        before.becomes.as_str(),
                        was.version.as_str()
                    )
                }
                Some(was) => format!(
                    "keep {name} {}: the bundle does not include {}",
                    before.becomes.as_str(),
                    was.version.as_str()
                ),
            }
        })
    }

    /// Checks whether the bundle carries this previous version of a package.
    fn carries(&self, was: &Package) -> bool {
        let is = |file: &PackageFile| file.name == was.name && file.version == was.version;
        self.files.iter().any(|file| is_return(file) && is(file))
    }

    /// Returns roughly how many bytes the packages take once they are unpacked.
    #[must_use]
    pub(crate) fn unpacked(&self) -> u64 {
        let coming = |file: &&PackageFile| self.before.iter().any(|one| one.name == file.name);
        self.coming().filter(coming).map(PackageFile::unpacked).sum()
    }

    fn coming(&self) -> impl Iterator<Item = &PackageFile> {
        self.files.iter().filter(|file| !is_return(file))
    }

    /// Marks dependencies as automatically installed. apt does so after dpkg has ended, which a power
    /// cut prevents.
    fn mark_needed(&self, door: &mut Door<'_>) -> Result<(), HostError> {
        let packages = installed_packages(door.look())?;
        let needed = |before: &&Before| {
            let is = find(&packages, &before.name);
            !before.had_files()
                && !self.ask.contains(&before.name)
                && is.is_some_and(|is| {
                    is.state != PackageState::ConfigFiles && is.mark == Mark::Manual
                })
        };
        let names: Vec<_> =
            self.before.iter().filter(needed).map(|before| before.name.clone()).collect();
        if names.is_empty() { Ok(()) } else { door.run(&apt::mark("auto", &names)) }
    }

    /// Returns what has to be done to restore the previous state.
    fn todo(&self, packages: &[Package]) -> Todo<'_> {
        let mut todo = Todo::default();
        for before in &self.before {
            let Some(is) = find(packages, &before.name) else { continue };
            let here = is.state != PackageState::ConfigFiles;
            match &before.was {
                // A version that was installed since is not ours to revert.
                Some(was) if before.had_files() => {
                    let ours = is.version == before.becomes && was.version != is.version;
                    let old = self.files.iter().find(|file| {
                        is_return(file) && file.name == was.name && file.version == was.version
                    });
                    todo.back.extend(old.filter(|_| ours));
                }
                was => {
                    if here {
                        todo.remove.push(before.name.clone());
                    }
                    if was.is_none() {
                        todo.purge.push(before.name.clone());
                    }
                }
            }
        }
        todo
    }

    /// Returns the packages whose mark has changed, by the `apt-mark` subcommand that restores it.
    fn marks(&self, packages: &[Package]) -> Vec<(&'static str, Vec<PackageName>)> {
        let wrong = |mark: Mark| -> Vec<PackageName> {
            let differs = |before: &&Before| {
                let is = find(packages, &before.name);
                let was = before.was.as_ref().filter(|was| was.mark == mark);
                before.had_files() && was.is_some() && is.is_some_and(|is| is.mark != mark)
            };
            self.before.iter().filter(differs).map(|before| before.name.clone()).collect()
        };
        let all = [("auto", wrong(Mark::Auto)), ("manual", wrong(Mark::Manual))];
        all.into_iter().filter(|(_, names)| !names.is_empty()).collect()
    }
}

impl Act for PackageChange {
    fn summary(&self) -> String {
        let names: Vec<_> = self.ask.iter().map(PackageName::as_str).collect();
        format!("install {}", names.join(", "))
    }

    fn undoing(&self) -> String {
        let new = self.before.iter().filter(|before| !before.had_files()).count();
        let newer = self.before.len() - new;
        match (new, newer) {
            (new, 0) => format!("purge {new} newly installed packages"),
            (0, newer) => format!("downgrade {newer} packages to their previous versions"),
            _ => format!("purge {new} packages and downgrade {newer} to their previous versions"),
        }
    }

    /// [`PackageChange::prepare`] has created the repository.
    fn run(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        door.run(&self.command())?;
        self.mark_needed(door)?;
        Ok(Area::again(door.host()).done()?)
    }

    /// Makes dpkg usable again. Packages may still lack dependencies: either apt runs again, or they are
    /// reverted.
    fn recover(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        // This also merges dpkg's own journal into its status. It fails where a package is half
        // unpacked, which is fixed below, or lacks a dependency, which the next run of apt fixes.
        tolerate(door.run(&apt::configure()))?;
        let packages = installed_packages(door.look())?;
        let mut again = false;
        for file in self.coming() {
            let is = find(&packages, &file.name).map(|package| package.state);
            let ours = self.before.iter().any(|before| before.name == file.name);
            if ours && is == Some(PackageState::HalfInstalled) {
                state::check_content(door.look(), &state::stored(file.content.id), file.content)?;
                door.run(&apt::unpack(&state::stored(file.content.id)))?;
                again = true;
            }
        }
        if again {
            tolerate(door.run(&apt::configure()))?;
        }
        Ok(self.mark_needed(door)?)
    }

    fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError> {
        let packages = installed_packages(look)?;
        let Todo { back, remove, purge } = self.todo(&packages);
        Ok(!(back.is_empty()
            && remove.is_empty()
            && purge.is_empty()
            && self.marks(&packages).is_empty()))
    }

    /// Removes new packages, and reinstalls the previous version of others where the bundle carries it.
    /// Nothing else may be removed.
    fn undo(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        let packages = installed_packages(door.look())?;
        let Todo { back, remove, .. } = self.todo(&packages);
        let mut area = Area::with(door.host(), &back)?;
        if !(back.is_empty() && remove.is_empty()) {
            simulate_undo(&mut area, &back, &remove)?;
            let exact: Vec<_> = back.iter().map(|file| file.exact()).collect();
            door.run(&apt::exchange(&exact, &remove, Doing::Really))?;
        }
        // A package without configuration files is forgotten with its files, and apt would refuse it.
        let purge = self.todo(&installed_packages(door.look())?).purge;
        if !purge.is_empty() {
            door.run(&apt::purge(&purge))?;
        }
        let packages = installed_packages(door.look())?;
        for (word, names) in self.marks(&packages) {
            door.run(&apt::mark(word, &names))?;
        }
        Ok(Area::again(door.host()).done()?)
    }

    /// Simulates the revert with apt, and checks that it changes no other packages.
    fn rehearse_undo(&self, door: &mut Door<'_>) -> Result<bool, ActError> {
        let packages = installed_packages(door.look())?;
        let Todo { back, remove, .. } = self.todo(&packages);
        if back.is_empty() && remove.is_empty() {
            return Ok(true);
        }
        let mut area = Area::with(door.host(), &back)?;
        let answer = simulate_undo(&mut area, &back, &remove);
        area.done()?;
        answer?;
        Ok(true)
    }

    fn kept(&self, look: &dyn Look) -> Result<Vec<Kept>, HostError> {
        let packages = installed_packages(look)?;
        let newer = |before: &&Before| {
            let (Some(was), Some(is)) = (&before.was, find(&packages, &before.name)) else {
                return false;
            };
            before.had_files() && was.version != is.version
        };
        let kept = |before: &Before| {
            let name = before.name.as_str().to_owned();
            let what = KeptThing::Named { kind: "package".to_owned(), name };
            Kept { what, why: Why::Newer }
        };
        Ok(self.before.iter().filter(newer).map(kept).collect())
    }

    /// Only a new kernel requires a reboot.
    fn awaits_boot(&self) -> bool {
        let kernels = ["proxmox-kernel-", "pve-kernel-", "linux-image-"];
        let is_kernel = |name: &str| kernels.iter().any(|prefix| name.starts_with(prefix));
        self.before.iter().any(|before| is_kernel(before.name.as_str()))
    }
}

/// The work of an undo.
#[derive(Default)]
struct Todo<'f> {
    /// The files of the previous versions.
    back: Vec<&'f PackageFile>,
    /// The packages whose files are removed.
    remove: Vec<PackageName>,
    /// The packages whose configuration is removed as well.
    purge: Vec<PackageName>,
}

fn is_return(file: &PackageFile) -> bool {
    file.reason == PackageReason::Return
}

fn simulate_undo(
    area: &mut Area<'_>,
    back: &[&PackageFile],
    remove: &[PackageName],
) -> Result<(), PackageError> {
    let exact: Vec<_> = back.iter().map(|file| file.exact()).collect();
    let saying = apt::exchange(&exact, remove, Doing::Saying);
    if let Some(simulation) = area.simulate(&saying)? {
        check(simulation, back, remove)?;
    }
    Ok(())
}

/// Refuses a simulation that does more than install these files and remove these packages.
fn check(
    simulation: Simulation,
    files: &[&PackageFile],
    remove: &[PackageName],
) -> Result<Vec<(PackageName, PackageVersion)>, PackageError> {
    let touched = simulation.install.iter().map(|(name, _)| name).chain(&simulation.remove);
    if touched.into_iter().any(|name| name.as_str() == PROXMOX_VE) {
        return Err(PackageError::ProxmoxVe);
    }
    let removes: BTreeSet<_> = simulation.remove.into_iter().collect();
    let gone: Vec<_> = removes.into_iter().filter(|name| !remove.contains(name)).collect();
    if !gone.is_empty() {
        return Err(PackageError::Removes(gone));
    }
    let named = |(name, version): &&(PackageName, PackageVersion)| {
        let same =
            |file: &&&PackageFile| file.name == *name && file.version.compare(version).is_eq();
        files.iter().find(same).is_some()
    };
    let extra: Vec<_> = simulation.install.iter().filter(|pair| !named(pair)).collect();
    if !extra.is_empty() {
        return Err(PackageError::Extra(extra.into_iter().map(|(name, _)| name.clone()).collect()));
    }
    Ok(simulation.install)
}
