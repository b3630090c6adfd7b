//! The components of an installation that can be removed separately.
//!
//! Every step belongs to one component, and the journal records the component with each change. A
//! removal therefore uses recorded facts and never infers a component from a path.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of an installation that can be removed while the rest stays.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Component {
    /// Changes that several components need, or whose purpose only the bundle defines: this
    /// program, the unit that resumes after a reboot, kernel parameters, modules, and the bundle's
    /// own files and units. They are removed last, with everything else.
    #[default]
    #[value(skip)]
    Shared,
    /// The host driver, its services, virtual functions, and module signing key.
    Driver,
    /// GPU unlocking and overrides of vGPU types.
    Unlock,
    /// The license server.
    Licensing,
    /// GPUs for passthrough.
    Passthrough,
    /// The pinned boot kernel.
    KernelPin,
    /// Debian packages and the local repository.
    Packages,
}

impl Component {
    /// The components that an operator can name.
    #[cfg(test)]
    pub(crate) const NAMED: [Self; 6] = [
        Self::Driver,
        Self::Unlock,
        Self::Licensing,
        Self::Passthrough,
        Self::KernelPin,
        Self::Packages,
    ];

    /// Returns all components.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn all() -> BTreeSet<Self> {
        Self::NAMED.into_iter().chain([Self::Shared]).collect()
    }

    /// Checks whether it is the shared component.
    #[must_use]
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_shared(&self) -> bool {
        *self == Self::Shared
    }

    /// Returns the components that are useless without it, and are removed with it.
    fn takes_along(self) -> &'static [Self] {
        match self {
            // Only the driver's daemons preload its library.
            Self::Driver => &[Self::Unlock],
            _ => &[],
        }
    }

    /// Returns the components that need it.
    fn carries(self) -> &'static [Self] {
        match self {
            // DKMS builds the module again for each new kernel, and the license server's engine is
            // a package.
            Self::Packages => &[Self::Driver, Self::Licensing],
            // The driver was built for the pinned kernel.
            Self::KernelPin => &[Self::Driver],
            _ => &[],
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "shared",
            Self::Driver => "driver",
            Self::Unlock => "unlock",
            Self::Licensing => "licensing",
            Self::Passthrough => "passthrough",
            Self::KernelPin => "kernel-pin",
            Self::Packages => "packages",
        })
    }
}

/// The components to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removal {
    /// All components to remove.
    pub(crate) going: BTreeSet<Component>,
    /// Components that are removed only because they are useless without another one, each with
    /// that one.
    pub(crate) along: Vec<(Component, Component)>,
}

/// A component cannot be removed while another one needs it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot remove {needed}: {by} needs it")]
pub(crate) struct Needed {
    /// The component to remove.
    pub(crate) needed: Component,
    /// The component that needs it.
    pub(crate) by: Component,
}

impl Removal {
    /// Returns the components to remove for `named`, where `there` are the installed ones.
    ///
    /// Includes components that become useless. Refuses if a component that stays would break, so
    /// that removing a compiler cannot disable a running driver.
    pub(crate) fn of(
        named: &BTreeSet<Component>,
        there: &BTreeSet<Component>,
    ) -> Result<Self, Needed> {
        let mut removal = Self { going: named.clone(), along: Vec::new() };
        for &component in named {
            for &along in component.takes_along() {
                if there.contains(&along) && removal.going.insert(along) {
                    removal.along.push((along, component));
                }
            }
        }
        removal.going.retain(|component| there.contains(component));
        for &needed in &removal.going {
            let stays = |by: &&Component| there.contains(by) && !removal.going.contains(by);
            if let Some(&by) = needed.carries().iter().find(stays) {
                return Err(Needed { needed, by });
            }
        }
        Ok(removal)
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::Component::{Driver, KernelPin, Packages, Passthrough, Shared, Unlock};
    use super::*;

    #[test]
    fn names_are_the_same_on_the_command_line_in_the_journal_and_for_people() {
        for component in Component::NAMED {
            let name = component.to_string();
            let value = component.to_possible_value().unwrap();
            assert_eq!(value.get_name(), name);
            assert_eq!(serde_json::to_string(&component).unwrap(), format!("{name:?}"));
        }
        assert!(Shared.to_possible_value().is_none(), "it goes only with everything");
        assert_eq!(Component::value_variants().len(), Component::NAMED.len());
    }

    #[test]
    fn what_has_no_meaning_any_more_goes_along_and_what_would_break_refuses() {
        let there = BTreeSet::from([Shared, Driver, Unlock, Packages, Passthrough]);
        let of = |named: &[Component]| Removal::of(&named.iter().copied().collect(), &there);
        let driver = of(&[Driver]).unwrap();
        assert_eq!(driver.going, [Driver, Unlock].into());
        assert_eq!(driver.along, [(Unlock, Driver)]);
        assert_eq!(of(&[Unlock]).unwrap().going, [Unlock].into());
        assert_eq!(of(&[Packages]), Err(Needed { needed: Packages, by: Driver }));
        let both = of(&[Packages, Driver]).unwrap();
        assert_eq!(both.going, [Driver, Unlock, Packages].into());
        assert!(of(&[KernelPin]).unwrap().going.is_empty(), "it is not there");
        assert_eq!(of(&[Passthrough]).unwrap().along, []);
        let all = Removal::of(&Component::all(), &there).unwrap();
        assert_eq!(all.going, there);
    }
}
