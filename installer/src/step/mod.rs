//! The steps that a plan consists of.

mod build_unlock;
mod clear_leftovers;
mod enable_sriov;
mod enable_unit;
mod guest_image;
mod hand_to_guests;
mod install_driver;
mod install_packages;
mod install_self;
mod install_unit;
mod keep_repository;
mod kernel_command_line;
mod load_modules;
mod mend_packages;
mod modprobe_options;
mod old_config;
mod pin_kernel;
mod place_file;
mod place_item;
mod serve_licenses;
mod signing_key;
mod start_services;
mod unit_drop_in;

pub use self::build_unlock::{LIBRARY, UnlockSource};
pub use self::enable_sriov::SriovBy;
pub use self::guest_image::{GuestFile, GuestSource};
pub use self::signing_key::need_password;
#[cfg(test)]
pub(crate) use self::signing_key::test_variable;

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;
use vgpu_manifest::catalog::DriverVersion;

use crate::act::{ForeignDriver, Journal};
use crate::component::Component;
use crate::driver::DriverError;
use crate::gpus::InUse;
use crate::host::{Command, Content, HostError, Look, Meta, Mode, Node};
use crate::iso::IsoError;
use crate::journal::JournalError;
use crate::license::LicenseError;
use crate::packages::PackageError;

/// Declares the steps: for each the module, the type, and how the variant holds it.
macro_rules! steps {
    ($($(#[$doc:meta])* $module:ident::$name:ident in $holder:ty;)+) => {
        $(pub use self::$module::$name;)+

        /// A condition that a plan wants to be true of the host, and the way to make it true.
        ///
        /// A closed list: it can be stored, and read back by a later version. A step has no revert: the
        /// journal records what each step did.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "step", rename_all = "kebab-case")]
        pub enum Step {
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
    install_self::InstallSelf in InstallSelf;
    /// Installs NVIDIA's host driver.
    install_driver::InstallDriver in Box<InstallDriver>;
    /// Gives the driver an older list of vGPU types.
    old_config::OldConfig in OldConfig;
    /// Builds the unlock library.
    build_unlock::BuildUnlock in BuildUnlock;
    /// Enables a unit at boot.
    enable_unit::EnableUnit in EnableUnit;
    /// Starts services now.
    start_services::StartServices in StartServices;
    /// Switches on virtual functions at boot.
    enable_sriov::EnableSriov in EnableSriov;
    /// Installs Debian packages.
    install_packages::InstallPackages in InstallPackages;
    /// Leaves the packages on the host as a repository.
    keep_repository::KeepRepository in KeepRepository;
    /// Writes a small text file.
    place_file::PlaceFile in PlaceFile;
    /// Writes a file that the bundle carries.
    place_item::PlaceItem in PlaceItem;
    /// Adds kernel parameters.
    kernel_command_line::KernelCommandLine in KernelCommandLine;
    /// Loads kernel modules at boot.
    load_modules::LoadModules in LoadModules;
    /// Configures kernel modules.
    modprobe_options::ModprobeOptions in ModprobeOptions;
    /// Installs a systemd unit.
    install_unit::InstallUnit in InstallUnit;
    /// Adds to an existing systemd unit.
    unit_drop_in::UnitDropIn in UnitDropIn;
    /// Removes what an earlier installation left.
    clear_leftovers::ClearLeftovers in ClearLeftovers;
    /// Makes a key for signing modules.
    signing_key::MakeSigningKey in MakeSigningKey;
    /// Asks the firmware to enroll that key.
    signing_key::RequestEnrolment in RequestEnrolment;
    /// Checks that the firmware has enrolled it.
    signing_key::KeyEnrolled in KeyEnrolled;
    /// Keeps GPUs for passthrough.
    hand_to_guests::HandToGuests in HandToGuests;
    /// Checks that they are kept for passthrough.
    hand_to_guests::HeldForGuests in HeldForGuests;
    /// Pins the host to a kernel.
    pin_kernel::PinKernel in PinKernel;
    /// Checks that this kernel runs.
    pin_kernel::KernelRuns in KernelRuns;
    /// Configures half-configured packages.
    mend_packages::MendPackages in MendPackages;
    /// Makes a CD image with guest drivers.
    guest_image::GuestImage in GuestImage;
    /// Runs the license server.
    serve_licenses::ServeLicenses in Box<ServeLicenses>;
}

impl Step {
    /// Returns what the step does, as a line of a plan: `write /etc/modules-load.d/vgpu-offline.conf`.
    #[must_use]
    pub fn summary(&self) -> String {
        self.goal().summary()
    }

    /// Returns why it is needed, in a sentence or two.
    #[must_use]
    pub fn why(&self) -> String {
        self.goal().why()
    }

    /// Returns the component with which it is removed.
    #[must_use]
    pub fn component(&self) -> Component {
        self.goal().component()
    }

    /// Checks whether its condition is true already.
    ///
    /// This is asked before the step, to skip it; after it, when it must be true; and by `status` on
    /// any later day, to detect drift.
    pub fn check(&self, look: &dyn Look) -> Result<Status, StepError> {
        Ok(if self.goal().is_true(look)? { Status::Done } else { Status::Todo })
    }

    /// Checks whether only commands make it true, so that nothing is known of it where none run.
    #[must_use]
    pub fn takes_commands(&self) -> bool {
        self.goal().takes_commands()
    }

    /// Checks whether only a boot makes it true, so that a rehearsal has nothing to go through.
    #[must_use]
    pub fn waits_for_boot(&self) -> bool {
        self.goal().waits_for_boot()
    }

    /// Makes it true. Called only if it is not.
    pub fn apply(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        self.goal().make_true(journal)
    }

    /// Waits until what it started is up.
    pub fn wait(&self, look: &dyn Look) -> Result<(), StepError> {
        self.goal().wait(look)
    }

    /// Returns the command that starts again what it had started: a service that ended with the driver
    /// does not start again when the driver is reinstalled.
    #[must_use]
    pub fn restart(&self) -> Option<Command> {
        self.goal().restart()
    }
}

/// What every step provides, in one place a step.
trait Goal {
    fn summary(&self) -> String;
    fn why(&self) -> String;
    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError>;
    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError>;

    /// Shared unless a step says otherwise: several components need it, or only the bundle knows its
    /// purpose.
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

/// Whether what a step wants is true of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is.
    Done,
    /// It is not.
    Todo,
}

/// A step could not be checked or carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The host would not show what was asked.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A change could not be made.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The driver's package could not be used.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// apt refuses the packages.
    #[error(transparent)]
    Packages(#[from] PackageError),
    /// The data of the license server cannot be made.
    #[error(transparent)]
    License(#[from] Box<LicenseError>),
    /// Guests would lose their GPU.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// What guests need does not make an image.
    #[error("cannot make an image for guests: {0}")]
    Image(#[from] IsoError),
    /// Nobody has been at the console yet.
    #[error(
        "the firmware does not know the signing key yet: reboot, select `Enroll MOK`, \
            `Continue`, `Yes` at the console, and enter the one-time password"
    )]
    EnrolmentWaits,
    /// GPUs that guests were to have are not free for them.
    #[error(
        "after the reboot {0}, instead of vfio-pci; `vgpu-installer revert` takes the settings back, `dmesg` says who was first"
    )]
    NotHeld(String),
    /// A kernel could not import the root pool.
    #[error(
        "the root pool {0} has features of OpenZFS 2.4, so {1} could not import it and the host would not boot; make a bundle whose driver works with a newer kernel"
    )]
    NewerPool(String, String),
    /// Whether a kernel could import the root pool cannot be found out.
    #[error(
        "whether {1} can import the root pool {0} cannot be found out, and the host might not boot; see what `zpool get feature@block_cloning_endian {0}` says"
    )]
    SilentPool(String, String),
    /// The licence server does not come up.
    #[error("the licence server does not answer at {url}: {why}; `{ask}` says more")]
    SilentServer {
        /// Where it was asked.
        url: String,
        /// What came of it, safe to show.
        why: String,
        /// What tells more.
        ask: String,
    },
    /// The driver does not work with the kernel that runs.
    #[error("this host runs {runs}, and the driver works with {needs}; reboot into that one")]
    OtherKernel {
        /// The kernel that runs.
        runs: String,
        /// The one that it takes.
        needs: String,
    },
    /// A package does not hold what the bundle says of it.
    #[error("the vgpuConfig.xml in the driver {0} is not the one that the bundle describes")]
    OtherConfig(DriverVersion),
    /// A driver is there that this program has not installed.
    #[error(
        "the driver {0} is on this host, and this program has not installed it; `--foreign-driver remove` takes it away by its own uninstaller, after which no revert brings it back; or remove it yourself first: `nvidia-uninstall`"
    )]
    ForeignDriver(ForeignDriver),
    /// The kernel's command line cannot be edited safely.
    #[error(
        "{path} has no word `root=`, so the host would not boot by it; write the full command line there first"
    )]
    NoRoot {
        /// The file.
        path: HostPath,
    },
}

/// The first lines of every text file that we write.
fn banner(why: &str) -> String {
    format!("# {why}\n# Written by vgpu-installer; `vgpu-installer revert` takes it back.\n")
}

/// Whether `path` is a file of root's with these bytes.
fn holds(
    look: &dyn Look,
    path: &HostPath,
    content: Content,
    mode: Mode,
) -> Result<bool, HostError> {
    Ok(look.node(path)? == Some(Node::file(content, mode)))
}

/// Whether `path` is the text file that we would write.
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
