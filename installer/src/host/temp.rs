use std::fmt;

/// The name under which a new file is prepared before it takes its place.
///
/// It starts with a dot and ends in `.tmp~`, which `run-parts`, systemd, `update-grub`, modprobe,
/// udev and apt all pass over when they read a directory, so nothing half-written is ever used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TempName(i64);

impl TempName {
    /// The name that belongs to this entry of the journal.
    #[must_use]
    pub fn of_entry(id: i64) -> Self {
        Self(id)
    }

    /// Whether `name` could be such a name.
    #[must_use]
    pub fn matches(name: &str) -> bool {
        let number = name.strip_prefix(".vgpu-").and_then(|rest| rest.strip_suffix(".tmp~"));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    }
}

impl fmt::Display for TempName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".vgpu-{}.tmp~", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_names_only() {
        assert!(TempName::matches(&TempName::of_entry(7).to_string()));
        for other in ["", ".vgpu-.tmp~", ".vgpu-7.tmp", "vgpu-7.tmp~", ".vgpu-x.tmp~"] {
            assert!(!TempName::matches(other), "{other}");
        }
    }
}
