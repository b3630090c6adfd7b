//! The limits of the format, with their reasons.
//!
//! A reader allocates memory before it can trust a bundle. Therefore everything that is read before
//! the signature is checked has a limit here; later reads are bounded by signed sizes.

/// The largest manifest, in bytes. It is kept in memory; a full one describes over 200 GiB.
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The largest list of digests, in bytes: enough for [`MAX_ITEMS`] lines of the longest kind.
pub const MAX_SUMS: u64 = 1 << 20;

/// The largest number of items. A large closure of packages has a few hundred.
pub const MAX_ITEMS: usize = 4096;

/// The largest number of kernel parameters of a bundle.
pub const MAX_KERNEL_WORDS: usize = 128;

/// The largest length of all kernel parameters of a bundle together, in bytes. The kernel holds 2,048
/// bytes on x86 (`COMMAND_LINE_SIZE`), and the host has parameters of its own.
pub const MAX_KERNEL_LINE: usize = 1024;

/// The largest number of kernel modules to load, and of lines for modprobe.
pub const MAX_MODULES: usize = 512;

/// The largest number of systemd units, of drop-ins, and of guest tools.
pub const MAX_UNITS: usize = 256;

/// The largest number of overrides of vGPU types.
pub const MAX_OVERRIDES: usize = 10_000;

/// The largest number of archives of packages.
pub const MAX_ARCHIVES: usize = 64;

/// The largest item, in bytes: one byte less than 8 GiB, the limit of a ustar header.
pub const MAX_ITEM: u64 = (8 << 30) - 1;

/// The largest bundle, in bytes: 1 TiB, more than the limits on manifest and items allow in
/// practice. No sum of sizes can overflow a `u64`.
pub const MAX_BUNDLE: u64 = 1 << 40;

/// The largest number of parts of a split bundle: part numbers have three digits.
pub const MAX_PARTS: usize = 999;

/// The longest name of an item, in bytes: the name field of a ustar header.
pub const MAX_NAME: usize = 100;

/// The largest catalog, in bytes: 16 MiB. The embedded one has less than one.
pub const MAX_CATALOG: u64 = 16 << 20;

/// The largest number of rows in a table of the catalog. pci.ids has about 1,500 NVIDIA GPUs, and
/// the GPUs of a driver hold a few thousand vGPU types in total.
pub const MAX_ROWS: usize = 50_000;
