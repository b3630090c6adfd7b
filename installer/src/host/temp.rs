use std::fmt;

/// The temporary name of a new file.
///
/// It starts with a dot and ends in `.tmp~`: `run-parts`, systemd, `update-grub`, modprobe, udev and apt
/// skip such names in a directory, so no partial file is ever used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TempName(i64);

impl TempName {
    /// Returns the name that belongs to this entry of the journal.
    pub(crate) fn of_entry(id: i64) -> Self {
        Self(id)
    }

    /// Checks whether `name` is a temporary name.
    pub(crate) fn matches(name: &str) -> bool {
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
