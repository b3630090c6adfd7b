//! The rows of the catalog, as in `catalog/*.toml`.

mod branch;
mod bulletin;
mod driver;
mod gpu;

use serde::{Deserialize, Serialize};

pub use self::branch::{
    Apicv, Branch, BranchUnlock, GuestRoot, Identity, IdentityId, Layout, Library, LibraryId,
    Mediation, Modules, Month, UnlockState,
};
pub use self::bulletin::{Bulletin, Exposure};
pub use self::driver::{
    Build, BuildReason, BuildRow, Driver, DriverFile, DriverVersion, Kernel, Md5, Patch, ReasonId,
    Role,
};
pub use self::gpu::{
    Architecture, ArchitectureId, CardUnlock, Display, Gpu, Platform, SrIov, Subsystem,
};

use crate::text;
use crate::types::text::{is_lower, is_word};
use crate::words;

text! {
    /// The id of an entry of `evidence.toml`.
    EvidenceId,
    "the name of a piece of evidence",
    "lower-case letters, digits, `-` and `.`, at most 60 bytes",
    is_name
}

/// Checks the grammar of ids.
fn is_name(text: &str) -> bool {
    is_word(text, 60, is_lower, |b| is_lower(b) || b"-.".contains(&b))
}

words! {
    /// The quality of a piece of evidence, the best first.
    EvidenceKind, "a kind of evidence", {
        /// A command was run on the hardware or software itself.
        Measured = "measured",
        /// The source code or data says so.
        Read = "read",
        /// A document or a person says so.
        Stated = "stated",
        /// A hypothesis that follows from other evidence.
        Inferred = "inferred",
    }
}

/// The source of a fact in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The id by which rows name it.
    pub id: EvidenceId,
    /// Its quality.
    pub kind: EvidenceKind,
    /// The document, commit or machine.
    pub source: String,
    /// A summary of the fact.
    pub says: String,
}

words! {
    /// Whether the sources of a row agree.
    State, "a state of a row", {
        /// They agree.
        Settled = "settled",
        /// They contradict each other, or the deciding file was not available.
        Unproven = "unproven",
    }
}

fn settled() -> State {
    State::Settled
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_settled(state: &State) -> bool {
    *state == State::Settled
}

/// All rows of a catalog, not yet validated. [`Catalog`](super::Catalog) validates them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rows {
    /// The evidence that the other rows cite.
    pub evidence: Vec<Evidence>,
    /// GPU architectures.
    pub architectures: Vec<Architecture>,
    /// GPUs, by device id.
    pub gpus: Vec<Gpu>,
    /// Branches of NVIDIA vGPU.
    pub branches: Vec<Branch>,
    /// Host drivers, by release.
    pub drivers: Vec<Driver>,
    /// Unlock patches, by host driver.
    pub patches: Vec<Patch>,
    /// GPUs that unlock libraries present to the driver.
    pub identities: Vec<Identity>,
    /// Unlock libraries.
    pub libraries: Vec<Library>,
    /// Structure sizes of the drivers, by release.
    pub layouts: Vec<Layout>,
    /// Kernels, by release of Proxmox VE.
    pub kernels: Vec<Kernel>,
    /// Reasons why a driver does or does not build on a kernel.
    pub reasons: Vec<BuildReason>,
    /// NVIDIA security bulletins.
    pub bulletins: Vec<Bulletin>,
    /// The evidence of the verdict's own rules.
    pub rules: Vec<RuleRow>,
}

words! {
    /// A rule of the verdict. Every statement of a verdict belongs to one, and each has its
    /// evidence in `rules.toml`.
    Rule, "a rule of the verdict", {
        /// The GPU is not an NVIDIA GPU.
        NotNvidia = "not-nvidia",
        /// The GPU is part of an Arm processor.
        Arm = "arm",
        /// The vGPU release is not in the catalog.
        UnknownDriver = "unknown-driver",
        /// The host driver is newer than the catalog.
        NewerDriver = "newer-driver",
        /// No branch supports the architecture, natively or unlocked.
        NoVgpu = "no-vgpu",
        /// Other releases support the GPU, this one does not.
        OtherReleases = "other-releases",
        /// The driver's own list omits the board, and it cannot be unlocked.
        NotQualified = "not-qualified",
        /// No source lists the board, and it cannot be unlocked.
        NoSource = "no-source",
        /// The architecture can be unlocked, but not this board.
        CannotUnlock = "cannot-unlock",
        /// Consumer GPUs need the unlock patch.
        NeedsPatch = "needs-patch",
        /// No unlock patch exists for the driver.
        NoPatch = "no-patch",
        /// Whether the driver's modules build on the kernel.
        Build = "build",
        /// The modules need KVM to export `enable_apicv`.
        Apicv = "apicv",
        /// The kernel belongs to another release of Proxmox VE.
        ForeignKernel = "foreign-kernel",
        /// The catalog does not cover the release of Proxmox VE.
        UnknownPve = "unknown-pve",
        /// Secure Boot needs PVE 8.1.
        SecureBootPve = "secure-boot-pve",
        /// systemd-boot does not work with Secure Boot.
        SecureBootLoader = "secure-boot-loader",
        /// PVE 7 supports mediated devices only.
        MdevOnly = "mdev-only",
        /// The root pool may have features that the kernel does not support.
        Pool = "pool",
        /// Sources disagree on whether the release supports the GPU.
        Native = "native",
        /// The driver's own list of GPUs names the GPU.
        Listed = "listed",
        /// Sources disagree on whether the GPU can be unlocked.
        Unlock = "unlock",
        /// The patch itself was not available for review.
        PatchUnseen = "patch-unseen",
        /// Sources disagree on the driver's version.
        DriverName = "driver-name",
        /// Whether an unlock library's profile overrides are applied.
        Overrides = "overrides",
        /// The driver needs the vgpuConfig.xml of a 16.x package.
        OldConfig = "old-config",
        /// The architecture of the GPU is derived from its device id.
        Derived = "derived",
        /// The kernel modules that the driver installs.
        Modules = "modules",
        /// A natively supported GPU needs neither patch nor library.
        LeaveAlone = "leave-alone",
        /// The branch has reached its end of life.
        EndOfLife = "end-of-life",
        /// The release lacks the fixes of an NVIDIA security bulletin.
        Bulletin = "bulletin",
        /// NVIDIA AI Enterprise has a host driver of its own.
        Enterprise = "enterprise",
        /// Guests of the branch check the certificates of the license server.
        GuestRoot = "guest-root",
        /// vGPUs use virtual functions, which every reboot removes.
        Functions = "functions",
        /// The place where vGPU types are listed.
        TypesListed = "types-listed",
        /// The display ports must be disabled.
        Display = "display",
        /// Boards differ by subsystem id.
        Boards = "boards",
        /// The operator enrolls the module signing key on the console.
        Mok = "mok",
        /// Headers, compiler and DKMS.
        Toolchain = "toolchain",
        /// Kernel parameters, and the file that has them.
        KernelWords = "kernel-words",
        /// A host has one driver.
        OneDriver = "one-driver",
        /// Passing a whole device through.
        Passthrough = "passthrough",
    }
}

/// The evidence of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleRow {
    /// The rule.
    pub id: Rule,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}
