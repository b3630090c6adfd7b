//! Real Debian roots for the tests of packages and of the node.
//!
//! They are made from the mirror in the machine's own apt configuration, once for each state of
//! that mirror, and kept outside the repository (see [`Roots::open`]). A test gets a cheap copy and
//! runs commands in it without a network.
//!
//! A root sees nothing of the machine except its kernel: `/proc` belongs to a separate process
//! namespace, `/sys` is empty, and no service is ever started.

mod cache;
mod mirror;
mod mounts;
mod root;

pub use self::cache::{Files, Layer, Pristine, Roots};
pub use self::mirror::{Archive, Mirror};
pub use self::mounts::with_own_mounts;
pub use self::root::Root;

/// A Debian release on which a Proxmox VE release is based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// Bullseye, of PVE 7.
    Debian11,
    /// Bookworm, of PVE 8.
    Debian12,
    /// Trixie, of PVE 9.
    Debian13,
}

impl Release {
    /// All releases, the oldest first.
    pub const ALL: [Self; 3] = [Self::Debian11, Self::Debian12, Self::Debian13];

    /// Returns the code name.
    #[must_use]
    pub const fn codename(self) -> &'static str {
        match self {
            Self::Debian11 => "bullseye",
            Self::Debian12 => "bookworm",
            Self::Debian13 => "trixie",
        }
    }

    /// Returns the version number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Debian11 => 11,
            Self::Debian12 => 12,
            Self::Debian13 => 13,
        }
    }
}
