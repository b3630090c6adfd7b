//! The things a plan can be made of.

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

pub use self::build_unlock::{BuildUnlock, LIBRARY, UnlockSource};
pub use self::clear_leftovers::ClearLeftovers;
pub use self::enable_sriov::{EnableSriov, SriovBy};
pub use self::enable_unit::EnableUnit;
pub use self::guest_image::{GuestFile, GuestImage, GuestSource};
pub use self::hand_to_guests::{HandToGuests, HeldForGuests};
pub use self::install_driver::InstallDriver;
pub use self::install_packages::InstallPackages;
pub use self::install_self::InstallSelf;
pub use self::install_unit::InstallUnit;
pub use self::keep_repository::KeepRepository;
pub use self::kernel_command_line::KernelCommandLine;
pub use self::load_modules::LoadModules;
pub use self::mend_packages::MendPackages;
pub use self::modprobe_options::ModprobeOptions;
pub use self::old_config::OldConfig;
pub use self::pin_kernel::{KernelRuns, PinKernel};
pub use self::place_file::PlaceFile;
pub use self::place_item::PlaceItem;
pub use self::serve_licenses::ServeLicenses;
#[cfg(test)]
pub(crate) use self::signing_key::test_variable;
pub use self::signing_key::{KeyEnrolled, MakeSigningKey, RequestEnrolment, need_password};
pub use self::start_services::StartServices;
pub use self::unit_drop_in::UnitDropIn;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;
use vgpu_manifest::catalog::DriverVersion;

use crate::component::Component;
use crate::driver::ForeignDriver;
use crate::gpus::InUse;
use crate::host::{Command, Content, HostError, Look, Meta, Mode, Node};
use crate::iso::IsoError;
use crate::journal::{Journal, JournalError};

/// One thing that a plan wants to be true of the host, and how to make it so.
///
/// A closed list: it can be stored, read back by a later version, and matched exhaustively. There
/// is no way to say how a step is taken back: the journal has recorded what each one did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Copy this very program to the host.
    InstallSelf(InstallSelf),
    /// Install NVIDIA's host driver.
    InstallDriver(Box<InstallDriver>),
    /// Give the driver an older list of vGPU types.
    OldConfig(OldConfig),
    /// Build the unlock library.
    BuildUnlock(BuildUnlock),
    /// Start a unit at boot.
    EnableUnit(EnableUnit),
    /// Start services now.
    StartServices(StartServices),
    /// Switch on virtual functions at boot.
    EnableSriov(EnableSriov),
    /// Install Debian packages.
    InstallPackages(InstallPackages),
    /// Leave the packages on the host as a repository.
    KeepRepository(KeepRepository),
    /// Write a small text file.
    PlaceFile(PlaceFile),
    /// Write a file that the bundle carries.
    PlaceItem(PlaceItem),
    /// Give the kernel words at boot.
    KernelCommandLine(KernelCommandLine),
    /// Load kernel modules at boot.
    LoadModules(LoadModules),
    /// Configure kernel modules.
    ModprobeOptions(ModprobeOptions),
    /// Install a systemd unit.
    InstallUnit(InstallUnit),
    /// Add to a systemd unit that is there.
    UnitDropIn(UnitDropIn),
    /// Take away what an earlier installation left.
    ClearLeftovers(ClearLeftovers),
    /// Make a key for signing modules.
    MakeSigningKey(MakeSigningKey),
    /// Ask the firmware to know that key.
    RequestEnrolment(RequestEnrolment),
    /// See that it does.
    KeyEnrolled(KeyEnrolled),
    /// Keep GPUs for guests.
    HandToGuests(HandToGuests),
    /// See that GPUs are kept for guests.
    HeldForGuests(HeldForGuests),
    /// Hold the host at a kernel.
    PinKernel(PinKernel),
    /// See that it runs.
    KernelRuns(KernelRuns),
    /// Bring half-configured packages to their end.
    MendPackages(MendPackages),
    /// Make a CD image with drivers for guests.
    GuestImage(GuestImage),
    /// Run the licence server.
    ServeLicenses(Box<ServeLicenses>),
}

impl Step {
    /// What the step does, as a line of a plan: `write /etc/modules-load.d/vgpu-offline.conf`.
    #[must_use]
    pub fn summary(&self) -> String {
        self.act().summary()
    }

    /// Why it is needed, in a sentence or two.
    #[must_use]
    pub fn why(&self) -> String {
        self.act().why()
    }

    /// What it is a part of, so that it goes when that part is removed.
    #[must_use]
    pub fn component(&self) -> Component {
        match self {
            Self::PlaceFile(step) => step.component,
            Self::PlaceItem(step) => step.component,
            Self::EnableUnit(step) => step.component,
            Self::InstallPackages(_) | Self::KeepRepository(_) => Component::Packages,
            Self::PinKernel(_) | Self::KernelRuns(_) => Component::KernelPin,
            // Nothing but the driver's modules is signed with the key.
            Self::MakeSigningKey(_)
            | Self::RequestEnrolment(_)
            | Self::KeyEnrolled(_)
            | Self::InstallDriver(_)
            | Self::StartServices(_)
            | Self::EnableSriov(_) => Component::Driver,
            // The older list is for cards that the driver does not list because they are unlocked.
            Self::OldConfig(_) | Self::BuildUnlock(_) => Component::Unlock,
            Self::HandToGuests(_) | Self::HeldForGuests(_) => Component::Passthrough,
            Self::ServeLicenses(_) => Component::Licensing,
            // Both modes need the IOMMU, and what the bundle names is for it to know. Guests keep
            // what they have installed, and may need its like.
            Self::InstallSelf(_)
            | Self::MendPackages(_)
            | Self::ClearLeftovers(_)
            | Self::KernelCommandLine(_)
            | Self::LoadModules(_)
            | Self::ModprobeOptions(_)
            | Self::InstallUnit(_)
            | Self::UnitDropIn(_)
            | Self::GuestImage(_) => Component::Shared,
        }
    }

    /// Whether what it wants is true already.
    ///
    /// This is asked before the step (to skip it), after it (it must be true then), and by
    /// `status` on any later day (to see what has drifted).
    pub fn check(&self, look: &dyn Look) -> Result<Status, StepError> {
        Ok(if self.act().is_true(look)? { Status::Done } else { Status::Todo })
    }

    /// Whether it comes true only by commands, so that nothing can be said of it where none run.
    #[must_use]
    pub fn takes_commands(&self) -> bool {
        self.act().takes_commands()
    }

    /// Whether it comes true by a boot and by nothing that could be done now, so that a rehearsal
    /// has nothing to go through.
    #[must_use]
    pub fn waits_for_boot(&self) -> bool {
        matches!(self, Self::KeyEnrolled(_) | Self::HeldForGuests(_) | Self::KernelRuns(_))
    }

    /// Make it true. Called only if it is not.
    pub fn apply(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        self.act().make_true(journal)
    }

    /// What starts again what it had started, if it is a step that starts something: what a driver
    /// serves ends when the driver goes, and does not come back with it.
    #[must_use]
    pub fn restart(&self) -> Option<Command> {
        match self {
            Self::StartServices(step) => Some(step.restart()),
            Self::EnableSriov(step) => Some(step.restart()),
            Self::ServeLicenses(step) => Some(step.restart()),
            _ => None,
        }
    }

    fn act(&self) -> &dyn Act {
        match self {
            Self::InstallSelf(step) => step,
            Self::InstallDriver(step) => &**step,
            Self::OldConfig(step) => step,
            Self::BuildUnlock(step) => step,
            Self::EnableUnit(step) => step,
            Self::StartServices(step) => step,
            Self::EnableSriov(step) => step,
            Self::InstallPackages(step) => step,
            Self::KeepRepository(step) => step,
            Self::PlaceFile(step) => step,
            Self::PlaceItem(step) => step,
            Self::KernelCommandLine(step) => step,
            Self::LoadModules(step) => step,
            Self::ModprobeOptions(step) => step,
            Self::InstallUnit(step) => step,
            Self::UnitDropIn(step) => step,
            Self::ClearLeftovers(step) => step,
            Self::MakeSigningKey(step) => step,
            Self::RequestEnrolment(step) => step,
            Self::KeyEnrolled(step) => step,
            Self::HandToGuests(step) => step,
            Self::HeldForGuests(step) => step,
            Self::PinKernel(step) => step,
            Self::KernelRuns(step) => step,
            Self::MendPackages(step) => step,
            Self::GuestImage(step) => step,
            Self::ServeLicenses(step) => &**step,
        }
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

/// What every step can do.
trait Act {
    fn summary(&self) -> String;
    fn why(&self) -> String;
    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError>;
    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError>;

    fn takes_commands(&self) -> bool {
        false
    }
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
