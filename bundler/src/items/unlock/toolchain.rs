//! Detection of the programs that build a library.

use std::process::{Command, Stdio};

use crate::types::Toolchain;

/// A program that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Lacking {
    #[error("there is no `cargo` on the PATH; install Rust 1.85 or later")]
    Cargo,
    #[error("there is no `rustc` on the PATH; install Rust 1.85 or later")]
    Rustc,
}

/// The hint for hosts with an older glibc than this machine.
pub(crate) const INSTALL_ZIG: &str =
    "install `cargo-zigbuild` and the Python package `ziglang`, which build against any glibc";

impl Toolchain {
    /// Detects the tools. A compiler is required.
    pub(crate) fn find() -> Result<Self, Lacking> {
        first_line("cargo", &["--version"]).ok_or(Lacking::Cargo)?;
        let rustc = first_line("rustc", &["--version"]).ok_or(Lacking::Rustc)?;
        let zigbuild = first_line("cargo-zigbuild", &["--version"]);
        let zig = || {
            let module = first_line("python3", &["-m", "ziglang", "version"]);
            module.or_else(|| first_line("zig", &["version"]))
        };
        let zig = zigbuild.and_then(|zigbuild| Some(format!("{zigbuild} with zig {}", zig()?)));
        Ok(Self { rustc, zig })
    }
}

/// Returns the first line of the output of a program, if it exists and succeeds.
fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line: String = text.lines().next()?.trim().chars().take(120).collect();
    (!line.is_empty() && !line.chars().any(char::is_control)).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_is_found_and_says_what_it_is() {
        let found = Toolchain::find().unwrap();
        assert!(found.rustc.starts_with("rustc 1."), "{found}");
        let toml = toml::to_string(&found).unwrap();
        assert_eq!(toml::from_str::<Toolchain>(&toml).unwrap(), found);
        assert_eq!(first_line("no-such-program", &[]), None);
        assert_eq!(first_line("false", &[]), None);
    }
}
