//! What is known of the drivers in a bundle, from the driver packages themselves.

mod config;
mod record;

pub use self::config::{
    GpuSupport, Resolution, SupportedType, VgpuClass, VgpuConfig, VgpuName, VgpuType,
};
pub use self::record::{
    ArchiveMember, DriverKind, DriverRecord, MemberName, PackageFile, PatchRecord, PatchedFile,
};
