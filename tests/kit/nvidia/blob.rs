use super::StandIn;

/// Returns the binary part of a stand-in: pseudorandom bytes, many of them NUL, which depend on the
/// version only.
pub(super) fn bytes(standin: &StandIn) -> Vec<u8> {
    let seed = standin.version.bytes().fold(7_u64, |sum, b| sum.wrapping_mul(31) + u64::from(b));
    let mut state = seed | 1;
    let mut bytes = b"\x7fELF\x02\x01\x01\0a stand-in for tests, not a driver\n\0".to_vec();
    while bytes.len() < standin.blob {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes();
        bytes.extend_from_slice(&word[..5]);
        bytes.extend_from_slice(&[0, 0, 0]);
    }
    bytes
}

/// Returns the same bytes with a few changes: near the start, in the middle, and near the end.
pub(super) fn unlocked(old: &[u8]) -> Vec<u8> {
    let mut new = old.to_vec();
    for at in [old.len() / 8, old.len() / 2, old.len() - old.len() / 8] {
        // An added or removed newline would move every line after it.
        for byte in new.iter_mut().skip(at).filter(|byte| **byte != b'\n').take(6) {
            *byte = 0x90;
        }
    }
    new
}
