//! Real Debian roots: what the tests of packages and of the node run in.
//!
//! They are made from the mirror in the machine's own apt configuration, once for each state of
//! that mirror, and kept outside of the repository ([`Roots::open`] says where). A test gets a fresh
//! copy that costs nothing, and runs commands in it with the network cut off.
//!
//! Nothing of the machine shows in a root but its kernel: `/proc` is that of a process namespace of
//! its own, `/sys` is empty, and no service is ever started.

mod cache;
mod mirror;
mod mounts;
mod root;

pub use self::cache::{Files, Layer, Pristine, Roots};
pub use self::mirror::{Archive, Mirror};
pub use self::mounts::with_own_mounts;
pub use self::root::Root;

/// A release of Debian that a Proxmox VE is based on.
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
    /// All of them, the oldest first.
    pub const ALL: [Self; 3] = [Self::Debian11, Self::Debian12, Self::Debian13];

    /// What archives call it.
    #[must_use]
    pub const fn codename(self) -> &'static str {
        match self {
            Self::Debian11 => "bullseye",
            Self::Debian12 => "bookworm",
            Self::Debian13 => "trixie",
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Debian11 => 11,
            Self::Debian12 => 12,
            Self::Debian13 => 13,
        }
    }
}
