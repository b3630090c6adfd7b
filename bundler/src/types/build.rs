//! The inputs of the items that the bundler builds.

use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::unlock::GlibcVersion;

/// The inputs to reproduce an item that the bundler builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(crate) enum Build {
    /// The sources of an unlock library, with all crates.
    Sources {
        /// The `Cargo.lock`, if the commit has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cargo_lock: Option<String>,
    },
    /// An unlock library.
    Library {
        /// The glibc of the hosts.
        glibc: GlibcVersion,
        tools: Toolchain,
    },
}

/// The tools that build a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Toolchain {
    /// The version line of the compiler.
    pub(crate) rustc: String,
    /// The linker for older glibc versions; without it, the glibc of this machine is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) zig: Option<String>,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rustc)?;
        match &self.zig {
            Some(zig) => write!(f, " and {zig}"),
            None => f.write_str(" and this machine's linker"),
        }
    }
}
