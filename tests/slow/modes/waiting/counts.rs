//! How often programs ran that an operator waits for.

use std::collections::BTreeMap;
use std::fmt;

/// Tells whether the program at a path does something, with these arguments.
type Does = fn(&str, &[&str]) -> bool;

/// The work that is counted, by name.
const WORK: [(&str, Does); 7] = [
    // With `-b`, it is a call of itself for one kernel.
    ("update-initramfs", |path, words| {
        path == "/usr/sbin/update-initramfs" && !words.contains(&"-b")
    }),
    ("images", |path, _| path == "/usr/sbin/mkinitramfs"),
    // DKMS adds the number of cores and the release to the command of `dkms.conf`.
    ("DKMS builds", |path, words| {
        path.ends_with("/make")
            && has(words, "KERNELRELEASE=")
            && has(words, "-j")
            && words.last() == Some(&"modules")
    }),
    // With `-b`, it is the index within an image, not that of the host.
    ("depmod", |path, words| path.ends_with("/depmod") && !words.contains(&"-b")),
    ("update-grub", |path, _| path.ends_with("/update-grub")),
    ("dkms status", |path, words| path.ends_with("/dkms") && words.get(1) == Some(&"status")),
    ("daemon-reload", |path, words| {
        path.ends_with("/systemctl") && words.contains(&"daemon-reload")
    }),
];

fn has(words: &[&str], start: &str) -> bool {
    words.iter().any(|word| word.starts_with(start))
}

/// The number of times that each work was done in a phase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<&'static str, usize>);

impl Counts {
    /// Reads the lines of strace for `execve` calls that succeeded.
    pub(super) fn of(trace: &str) -> Self {
        let mut counts = Self(WORK.map(|(name, _)| (name, 0)).into());
        for (path, words) in trace.lines().filter_map(started) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            for (name, does) in WORK {
                if does(&path, &words) {
                    *counts.0.entry(name).or_default() += 1;
                }
            }
        }
        counts
    }

    pub(super) fn get(&self, name: &str) -> usize {
        self.0[name]
    }

    /// Returns the names that are counted.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        WORK.into_iter().map(|(name, _)| name)
    }
}

/// Returns the path and the arguments of a program: `1 execve("/bin/true", ["true", "-x"], …) = 0`.
fn started(line: &str) -> Option<(String, Vec<String>)> {
    let (_, call) = line.split_once("execve(\"")?;
    let (path, rest) = call.split_once("\", [")?;
    let (words, _) = rest.split_once("], ")?;
    let words = words.trim_matches('"').split("\", \"").map(str::to_owned).collect();
    Some((path.to_owned(), words))
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = Self::names().map(|name| format!("{name} {}", self.get(name))).collect();
        f.write_str(&all.join(", "))
    }
}

#[test]
fn a_trace_is_counted() {
    let trace = "\
12 execve(\"/usr/sbin/update-initramfs\", [\"update-initramfs\", \"-u\"], 0x7ffd /* 6 vars */) = 0
12 execve(\"/usr/sbin/update-initramfs\", [\"update-initramfs\", \"-u\", \"-b\", \"/boot\"], 0x7ffd /* 6 vars */) = 0
13 execve(\"/usr/sbin/mkinitramfs\", [\"mkinitramfs\", \"-o\", \"/boot/x\", \"6.1.0\"], 0x1 /* 9 vars */) = 0
14 execve(\"/usr/sbin/depmod\", [\"depmod\", \"-a\", \"-b\", \"/tmp/a\", \"6.1.0\"], 0x1 /* 9 vars */) = 0
15 execve(\"/usr/sbin/depmod\", [\"depmod\", \"6.1.0\"], 0x1 /* 9 vars */) = 0
16 execve(\"/usr/bin/make\", [\"make\", \"-j2\", \"KERNELRELEASE=6.1.0\", \"modules\"], 0x1 /* 9 vars */) = 0
16 execve(\"/usr/bin/make\", [\"make\", \"-f\", \"Makefile\", \"modules\"], 0x1 /* 9 vars */) = 0
17 execve(\"/usr/sbin/dkms\", [\"dkms\", \"status\"], 0x1 /* 9 vars */) = 0
18 +++ exited with 0 +++";
    let said = "update-initramfs 1, images 1, DKMS builds 1, depmod 1, update-grub 0, dkms status 1, \
                daemon-reload 0";
    assert_eq!(Counts::of(trace).to_string(), said);
}
