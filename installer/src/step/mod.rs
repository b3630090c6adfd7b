//! The steps of a plan.

mod build_unlock;
mod clear_leftovers;
mod enable_sriov;
mod files;
mod guest_image;
mod hand_to_guests;
mod install_driver;
mod kernel_command_line;
mod modules;
mod old_config;
mod packages;
mod pin_kernel;
mod serve_licenses;
mod signing_key;
mod start_services;
mod units;

pub(crate) use self::build_unlock::{LIBRARY, UnlockSource};
pub(crate) use self::enable_sriov::SriovBy;
pub(crate) use self::guest_image::{GuestFile, GuestSource};
#[cfg(test)]
pub(crate) use self::signing_key::test_variable;
pub(crate) use self::signing_key::{AT_CONSOLE, enrollment, need_password};

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use crate::act::Journal;
use crate::component::Component;
use crate::driver::DriverError;
use crate::gpus::InUse;
use crate::host::{Command, Content, HostError, Look, Meta, Mode, Node};
use crate::journal::JournalError;
use crate::license::LicenseError;
use crate::packages::PackageError;

/// Declares the steps: for each the module, the type, and how the variant holds it.
macro_rules! steps {
    ($($(#[$doc:meta])* $module:ident::$name:ident in $holder:ty;)+) => {
        $(pub(crate) use self::$module::$name;)+

        /// A condition that the host must satisfy, and the way to satisfy it.
        ///
        /// A closed list: it can be stored, and read by a later version. A step has no revert: the
        /// journal records what each step did.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "step", rename_all = "kebab-case")]
        pub(crate) enum Step {
            $($(#[$doc])* $name($holder),)+
        }

        impl Step {
            fn goal(&self) -> &dyn Goal {
                match self {
                    $(Self::$name(step) => <$holder as Borrow<$name>>::borrow(step),)+
                }
            }
        }
    };
}

steps! {
    /// Copies this program to the host.
    files::InstallSelf in InstallSelf;
    /// Installs NVIDIA's host driver.
    install_driver::InstallDriver in Box<InstallDriver>;
    /// Gives the driver an older list of vGPU types.
    old_config::OldConfig in OldConfig;
    /// Builds the unlock library.
    build_unlock::BuildUnlock in BuildUnlock;
    /// Enables a unit at boot.
    units::EnableUnit in EnableUnit;
    /// Starts services now.
    start_services::StartServices in StartServices;
    /// Enables virtual functions now and at boot.
    enable_sriov::EnableSriov in EnableSriov;
    /// Installs Debian packages.
    packages::InstallPackages in InstallPackages;
    /// Keeps the packages on the host as a local apt repository.
    packages::KeepRepository in KeepRepository;
    /// Writes a small text file.
    files::PlaceFile in PlaceFile;
    /// Writes a file from the bundle.
    files::PlaceItem in PlaceItem;
    /// Adds kernel parameters.
    kernel_command_line::KernelCommandLine in KernelCommandLine;
    /// Loads kernel modules at boot.
    modules::LoadModules in LoadModules;
    /// Configures kernel modules.
    modules::ModprobeOptions in ModprobeOptions;
    /// Installs a systemd unit.
    units::InstallUnit in InstallUnit;
    /// Adds to an existing systemd unit.
    units::UnitDropIn in UnitDropIn;
    /// Removes leftovers of an earlier installation.
    clear_leftovers::ClearLeftovers in ClearLeftovers;
    /// Makes a key for signing modules.
    signing_key::MakeSigningKey in MakeSigningKey;
    /// Asks the firmware to enroll that key.
    signing_key::RequestEnrollment in RequestEnrollment;
    /// Checks that the firmware has enrolled it.
    signing_key::KeyEnrolled in KeyEnrolled;
    /// Binds GPUs to `vfio-pci` for passthrough.
    hand_to_guests::HandToGuests in HandToGuests;
    /// Checks that these GPUs are bound to `vfio-pci`.
    hand_to_guests::HeldForGuests in HeldForGuests;
    /// Pins the boot kernel.
    pin_kernel::PinKernel in PinKernel;
    /// Boots a kernel once.
    pin_kernel::BootOnce in BootOnce;
    /// Keeps the running kernel as the default until another has booted.
    pin_kernel::FallBack in FallBack;
    /// Lets the newest kernel be the default again.
    pin_kernel::EndFallBack in EndFallBack;
    /// Checks that this kernel is running.
    pin_kernel::KernelRuns in KernelRuns;
    /// Finishes configuring half-configured packages.
    packages::MendPackages in MendPackages;
    /// Creates a CD image with guest drivers.
    guest_image::GuestImage in GuestImage;
    /// Runs the license server.
    serve_licenses::ServeLicenses in Box<ServeLicenses>;
}

impl Step {
    /// Returns the line of the step in a plan: `write /etc/modules-load.d/vgpu-offline.conf`.
    #[must_use]
    pub(crate) fn summary(&self) -> String {
        self.goal().summary()
    }

    /// Returns the reason for the step, in a sentence or two.
    #[must_use]
    pub(crate) fn why(&self) -> String {
        self.goal().why()
    }

    /// Returns the component with which it is removed.
    #[must_use]
    pub(crate) fn component(&self) -> Component {
        self.goal().component()
    }

    /// Checks whether the condition holds.
    ///
    /// This is checked before the step, to skip it; after it, when it must hold; and by `status` at
    /// any later time, to detect drift.
    pub(crate) fn check(&self, look: &dyn Look) -> Result<Status, StepError> {
        Ok(if self.goal().is_true(look)? { Status::Done } else { Status::Todo })
    }

    /// Checks whether only commands can satisfy it, so that its state is unknown where none run.
    #[must_use]
    pub(crate) fn takes_commands(&self) -> bool {
        self.goal().takes_commands()
    }

    /// Checks whether only a reboot can satisfy it, so that a rehearsal skips it.
    #[must_use]
    pub(crate) fn waits_for_boot(&self) -> bool {
        self.goal().waits_for_boot()
    }

    /// Writes the unit files of a service that the step starts, but does not enable it.
    ///
    /// Called for all steps of a phase before the first one starts a service, so that systemd reads
    /// its configuration once.
    pub(crate) fn place_units(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        self.goal().place_units(journal)
    }

    /// Satisfies the condition. Called only if it does not hold.
    pub(crate) fn apply(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        self.goal().make_true(journal)
    }

    /// Waits until a service started by the step responds.
    pub(crate) fn wait(&self, look: &dyn Look) -> Result<(), StepError> {
        self.goal().wait(look)
    }

    /// Returns the command that restarts its service: a service that stopped with the driver does
    /// not start again when the driver is reinstalled.
    #[must_use]
    pub(crate) fn restart(&self) -> Option<Command> {
        self.goal().restart()
    }
}

/// The interface of every step.
trait Goal {
    fn summary(&self) -> String;
    fn why(&self) -> String;
    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError>;
    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError>;

    fn place_units(&self, _: &mut Journal<'_>) -> Result<(), StepError> {
        Ok(())
    }

    /// Defaults to shared: several components need it, or only the bundle defines its purpose.
    fn component(&self) -> Component {
        Component::Shared
    }

    fn takes_commands(&self) -> bool {
        false
    }

    fn waits_for_boot(&self) -> bool {
        false
    }

    fn wait(&self, _: &dyn Look) -> Result<(), StepError> {
        Ok(())
    }

    fn restart(&self) -> Option<Command> {
        None
    }
}

/// The state of a step's condition on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// The condition holds.
    Done,
    /// The condition does not hold.
    Todo,
}

/// A failure to check or to apply a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StepError {
    /// The host could not be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A change failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The driver package could not be used.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// apt refused the packages.
    #[error(transparent)]
    Packages(#[from] PackageError),
    /// The data of the license server could not be created.
    #[error(transparent)]
    License(#[from] Box<LicenseError>),
    /// Guests are using the GPU.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// The key has not been enrolled at the console yet.
    #[error("the signing key is not enrolled in the firmware yet: reboot, and {AT_CONSOLE}")]
    EnrollmentWaits,
    /// The driver does not work with the running kernel.
    #[error(
        "this host runs kernel {runs}, but the driver requires {needs}; reboot into that kernel"
    )]
    OtherKernel {
        /// The running kernel.
        runs: String,
        /// The required kernel.
        needs: String,
    },
    /// Another reason, for the operator.
    #[error("{0}")]
    Reason(String),
}

/// Returns the first lines of every text file that this program writes.
fn banner(why: &str) -> String {
    format!(
        "# {why}\n# Written by vgpu-installer; `vgpu-installer revert` restores the previous state.\n"
    )
}

/// Checks whether `path` is a file of root with this content.
fn holds(
    look: &dyn Look,
    path: &HostPath,
    content: Content,
    mode: Mode,
) -> Result<bool, HostError> {
    Ok(look.node(path)? == Some(Node::file(content, mode)))
}

/// Checks whether `path` is this text file.
fn holds_text(look: &dyn Look, path: &HostPath, text: &str) -> Result<bool, HostError> {
    holds(look, path, Content::of(text.as_bytes()), Mode::FILE)
}

fn put_text(journal: &mut Journal<'_>, path: &HostPath, text: &str) -> Result<(), StepError> {
    Ok(journal.put_bytes(path, text.as_bytes(), Meta::root(Mode::FILE))?)
}

fn put_stored(
    journal: &mut Journal<'_>,
    path: &HostPath,
    content: Content,
    mode: Mode,
) -> Result<(), StepError> {
    Ok(journal.put_stored(path, content, Meta::root(mode))?)
}
