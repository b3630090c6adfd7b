//! Commands that run in the folder of a node, by `--chroot`.

use std::fs;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use crate::skip::{have, skip};

/// Copies programs of this machine, with the libraries that they load, into the folder of a node.
///
/// Returns whether the test can go on. If it cannot, because a program is not there or because
/// `chroot` takes root, this says so, as [`skip`] does.
///
/// # Panics
/// If a file cannot be copied.
#[must_use]
pub fn bring(root: &Utf8Path, programs: &[&str]) -> bool {
    if !rustix::process::geteuid().is_root() {
        return skip("to be root, for chroot");
    }
    programs.iter().all(|program| {
        if !have(program) {
            return false;
        }
        let program = Utf8PathBuf::from(format!("/usr/bin/{program}"));
        let listed = Command::new("ldd").arg(&program).output().expect("ldd").stdout;
        let listed = String::from_utf8(listed).expect("UTF-8 output");
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
        for file in libraries.chain([program.as_str()]) {
            let to = root.join(file.trim_start_matches('/'));
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::copy(file, to).expect("a copy");
        }
        true
    })
}

/// The programs that create the image of guest drivers.
pub const DISC_TOOLS: [&str; 5] = ["dd", "env", "genisoimage", "touch", "true"];
