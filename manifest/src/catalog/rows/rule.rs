use serde::{Deserialize, Serialize};

use super::EvidenceId;
use crate::platform::words::words;

words! {
    /// What a verdict rests on beside the rows: each statement that it makes is of one of these
    /// kinds, and each has its evidence in `rules.toml`.
    Rule, "a rule of the verdict", {
        /// Only NVIDIA's GPUs are judged.
        NotNvidia = "not-nvidia",
        /// The GPU is part of an Arm processor.
        Arm = "arm",
        /// The release is not in the catalogue.
        UnknownDriver = "unknown-driver",
        /// No branch serves the architecture, natively or unlocked.
        NoVgpu = "no-vgpu",
        /// Other releases serve the GPU, this one does not.
        OtherReleases = "other-releases",
        /// The board is not one of those that NVIDIA qualified, and cannot be unlocked.
        NotQualified = "not-qualified",
        /// The architecture can be unlocked, the board cannot.
        CannotUnlock = "cannot-unlock",
        /// Consumer cards need the unlock patch.
        NeedsPatch = "needs-patch",
        /// Nobody published an unlock patch for the driver.
        NoPatch = "no-patch",
        /// Whether the driver's modules build on the kernel.
        Build = "build",
        /// The modules need KVM to export `enable_apicv`.
        Apicv = "apicv",
        /// The kernel belongs to another release of Proxmox VE.
        ForeignKernel = "foreign-kernel",
        /// The release of Proxmox VE is not one that we know.
        UnknownPve = "unknown-pve",
        /// Secure Boot needs PVE 8.1.
        SecureBootPve = "secure-boot-pve",
        /// systemd-boot and Secure Boot do not go together.
        SecureBootLoader = "secure-boot-loader",
        /// PVE 7 knows mediated devices only.
        MdevOnly = "mdev-only",
        /// The root pool may have features that the kernel cannot read.
        Pool = "pool",
        /// Sources disagree on whether the release serves the GPU.
        Native = "native",
        /// The driver's own list of GPUs decides.
        Listed = "listed",
        /// Sources disagree on whether the GPU can be unlocked.
        Unlock = "unlock",
        /// The patch was not seen.
        PatchUnseen = "patch-unseen",
        /// Sources disagree on the driver's version.
        DriverName = "driver-name",
        /// Whether an unlock library's profile overrides are applied.
        Overrides = "overrides",
        /// The vgpuConfig.xml of a 16.x package is needed as well.
        OldConfig = "old-config",
        /// The architecture of the GPU is derived from its device id.
        Derived = "derived",
        /// Which kernel modules are installed.
        Modules = "modules",
        /// A natively served card needs neither patch nor library.
        LeaveAlone = "leave-alone",
        /// The branch has reached its end of life.
        EndOfLife = "end-of-life",
        /// Guests of the branch check the licence server's certificates.
        GuestRoot = "guest-root",
        /// vGPUs live on virtual functions that every reboot takes away.
        Functions = "functions",
        /// Where vGPU types are listed.
        TypesListed = "types-listed",
        /// The display ports must be switched off.
        Display = "display",
        /// Subsystems tell boards apart.
        Boards = "boards",
        /// The module signing key is confirmed on the console.
        Mok = "mok",
        /// Headers, compiler and DKMS.
        Toolchain = "toolchain",
        /// Words for the kernel, and where they go.
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
    /// What it rests on.
    pub evidence: Vec<EvidenceId>,
}
