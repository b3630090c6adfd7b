//! File names that every file system of a stick accepts, on every operating system.

use vgpu_keys::Principal;

/// Returns the file name for the `nth` public key of `principal`, counted from one and ignoring
/// case.
pub(crate) fn key_file(principal: &Principal, nth: usize) -> String {
    let name = if nth == 1 { format!("{principal}.pub") } else { format!("{principal}-{nth}.pub") };
    // A principal may be named like a Windows device; its characters are plain otherwise.
    if is_legal(&name) { name } else { format!("key-{name}") }
}

/// Checks whether FAT and exFAT accept this file name, on Windows too.
fn is_legal(name: &str) -> bool {
    let refused = |c: char| c.is_control() || r#""*/:<>?\|"#.contains(c);
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered = |device: &str| {
        let digit = stem.strip_prefix(device).map(str::as_bytes);
        matches!(digit, Some([b'1'..=b'9']))
    };
    let is_device =
        ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT");
    !name.is_empty()
        && name.len() <= 255
        && !name.chars().any(refused)
        && !name.starts_with(['.', ' ', '-'])
        && !name.ends_with(['.', ' '])
        && !is_device
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_principal_has_a_file() {
        let file = |who: &str, nth| key_file(&who.parse().unwrap(), nth);
        assert_eq!(file("alice", 1), "alice.pub");
        assert_eq!(file("alice", 2), "alice-2.pub");
        assert_eq!(file("alice@example.org", 1), "alice@example.org.pub");
        assert_eq!(file("aux", 1), "key-aux.pub");
        for odd in ["con", "COM7", "nul.x", "a.", "0"] {
            assert!(is_legal(&key_file(&odd.parse().unwrap(), 1)), "{odd}");
        }
    }

    #[test]
    fn names_of_bundles_are_legal_and_devices_are_not() {
        for good in ["gpu-1.vgpu.tar", "gpu-1.vgpu.tar.001", "vgpu-installer", "com.vgpu", "com0"] {
            assert!(is_legal(good), "{good}");
        }
        for bad in ["", "a:b", "a*", "nul", "NUL.tar", "com1.tar", "lpt9", "a.", "a ", ".a"] {
            assert!(!is_legal(bad), "{bad}");
        }
    }
}
