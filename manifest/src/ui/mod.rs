//! Output of both programs.

#[cfg(feature = "cli")]
pub mod help;
