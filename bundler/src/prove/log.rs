//! The first error in the log of a build.

use std::fmt;
use std::io::{self, BufRead, Read as _};

/// The cause of a failed build, from its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// A check in the `conftest.sh` of the driver, which runs before anything is compiled.
    Check(String),
    /// A message of the compiler.
    Compiler { file: String, line: u32, message: String },
    /// A symbol that `modpost` did not find in the kernel or another module.
    Symbol { module: String, symbol: String },
    /// Another message of `modpost`, which checks the symbols of modules.
    Modpost(String),
    /// A message of make.
    Make(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(name) => write!(f, "the driver's own check of the kernel fails: {name}"),
            Self::Compiler { file, line, message } => write!(f, "`{file}` line {line}: {message}"),
            Self::Symbol { module, symbol } => {
                write!(
                    f,
                    "`{module}` needs the symbol `{symbol}`, which neither the kernel nor another module of the driver exports"
                )
            }
            Self::Modpost(message) | Self::Make(message) => f.write_str(message),
        }
    }
}

/// The longest line that is read, in bytes: a command line of the compiler has a few thousand.
const MAX_LINE: u64 = 64 << 10;

/// Returns the first error of the driver's checks or of the compiler; without one, that of `modpost`; without one, the first
/// of make, which the others cause.
pub(super) fn first_error(mut log: impl BufRead) -> io::Result<Option<Cause>> {
    let (mut modpost, mut make) = (None, None);
    let mut raw = Vec::new();
    loop {
        raw.clear();
        if (&mut log).take(MAX_LINE).read_until(b'\n', &mut raw)? == 0 {
            return Ok(modpost.or(make));
        }
        let text = String::from_utf8_lossy(&raw);
        let text = text.trim();
        if let Some(cause) = check(text).or_else(|| compiler(text)) {
            return Ok(Some(cause));
        }
        if let Some(message) = text.split_once("ERROR: modpost: ").map(|(_, message)| message) {
            modpost.get_or_insert_with(|| undefined(message));
        }
        if text.starts_with("make") && text.contains(": *** ") {
            make.get_or_insert_with(|| Cause::Make(text.to_owned()));
        }
    }
}

/// Parses `"SYMBOL" [MODULE] undefined!`, as `modpost` prints it.
fn undefined(message: &str) -> Cause {
    let parts = || {
        let (symbol, rest) = message.strip_prefix('"')?.split_once("\" [")?;
        let (module, _) = rest.strip_suffix(" undefined!")?.split_once(']')?;
        let module = module.rsplit('/').next()?.to_owned();
        Some(Cause::Symbol { module, symbol: symbol.to_owned() })
    };
    parts().unwrap_or_else(|| Cause::Modpost(message.to_owned()))
}

/// Parses `*** Failed NAME. Bailing out! ***`.
fn check(text: &str) -> Option<Cause> {
    let name = text.strip_prefix("*** Failed ")?.strip_suffix(". Bailing out! ***")?;
    Some(Cause::Check(name.to_owned()))
}

/// Parses `FILE:LINE:COLUMN: error: MESSAGE`, also with `fatal error` and without a column, as GCC
/// and clang print it.
fn compiler(text: &str) -> Option<Cause> {
    let (place, message) =
        text.split_once(": error: ").or_else(|| text.split_once(": fatal error: "))?;
    let mut parts = place.split(':');
    let (file, line) = (parts.next()?, parts.next()?.parse().ok()?);
    let file = match file.split_once("/build/") {
        Some((before, below)) if before.contains("/dkms/") => below,
        _ => file,
    };
    Some(Cause::Compiler { file: file.to_owned(), line, message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(text: &str) -> Option<String> {
        first_error(text.as_bytes()).unwrap().map(|cause| cause.to_string())
    }

    #[test]
    fn the_compiler_is_quoted_with_file_and_line() {
        let text = "  CC [M]  /var/lib/dkms/nvidia/1/build/nvidia/nv.o\n\
            /var/lib/dkms/nvidia/1/build/nvidia/nv.c: In function 'nv_open':\n\
            /var/lib/dkms/nvidia/1/build/nvidia/nv.c:42:7: error: too few arguments to 'f'\n\
            /var/lib/dkms/nvidia/1/build/nvidia/nv.c:50:1: error: expected ';'\n\
            make[2]: *** [scripts/Makefile.build:243: nv.o] Error 1\n";
        assert_eq!(cause(text).unwrap(), "`nvidia/nv.c` line 42: too few arguments to 'f'");
        let text = "include/a.h:3: fatal error: b.h: No such file or directory\n";
        assert_eq!(cause(text).unwrap(), "`include/a.h` line 3: b.h: No such file or directory");
    }

    #[test]
    fn a_log_of_nvidias_own_sources_is_understood() {
        // From 470.256.02 on 6.12: settings of the compiler, tests of the kernel, an included file.
        let text = "KBUILD_CFLAGS=-Wall -Werror=implicit-function-declaration -std=gnu11\n             CONFTEST: phys_to_dma\n            In file included from /var/lib/dkms/nvidia/470.256.02/build/nvidia/nv-dma.c:16:\n            /var/lib/dkms/nvidia/470.256.02/build/common/inc/nv-linux.h:703:12: error: implicit             declaration of function 'phys_to_dma' [-Wimplicit-function-declaration]\n";
        let found = cause(text).unwrap();
        assert!(found.starts_with("`common/inc/nv-linux.h` line 703: implicit"), "{found}");
        let refused = "The kernel you are installing for is a PREEMPT_RT kernel!\n\n            *** Failed PREEMPT_RT sanity check. Bailing out! ***\n\n            make[3]: *** [/var/lib/dkms/nvidia/535.216.03/build/Kbuild:395: preempt_rt_sanity_check]             Error 1\n";
        let found = "the driver's own check of the kernel fails: PREEMPT_RT sanity check";
        assert_eq!(cause(refused).unwrap(), found);
        // Without an effect: the build goes on.
        assert_eq!(cause("*** Failed CC version check. ***\n"), None);
    }

    #[test]
    fn other_errors_count_without_one_of_the_compiler() {
        let modpost = "make[1]: *** [Module.symvers] Error 1\n\
                       ERROR: modpost: \"folio_new\" [/a/nvidia.ko] undefined!\n";
        let found = cause(modpost).unwrap();
        assert!(found.starts_with("`nvidia.ko` needs the symbol `folio_new`"), "{found}");
        let other = "ERROR: modpost: GPL-incompatible module nvidia.ko uses GPL-only symbol 'a'\n";
        assert!(cause(other).unwrap().starts_with("GPL-incompatible module nvidia.ko"));
        let make = "cc -Werror: error: x\nmake: *** No rule to make target 'modules'.  Stop.\n";
        assert_eq!(cause(make).unwrap(), "make: *** No rule to make target 'modules'.  Stop.");
        assert_eq!(cause("all good\n"), None);
        assert_eq!(cause(&"x".repeat(200 << 10)), None);
    }
}
