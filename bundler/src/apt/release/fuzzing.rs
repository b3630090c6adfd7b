use super::openpgp::{self, Key};
use super::{Release, Signed, day, keyring};

/// Parses the signed text of a release.
pub fn release(bytes: &[u8]) {
    let Ok(by) = "A".repeat(40).parse() else { return };
    let signed = Signed { text: bytes.to_vec(), by, notes: Vec::new() };
    if let Ok(release) = Release::of_any_suite(&signed) {
        day(release.dated);
        let _ = Release::read(&signed, "bookworm");
    }
}

/// Parses a keyring, and the packets of signatures.
pub fn openpgp(bytes: &[u8]) {
    let _ = keyring::parse(bytes);
    let Ok(binary) = openpgp::binary(bytes, "PGP SIGNATURE") else { return };
    let Ok(packets) = openpgp::packets(&binary) else { return };
    let whole: usize = packets.iter().map(|packet| packet.whole.len()).sum();
    assert_eq!(whole, binary.len(), "packets cover every byte");
    for packet in packets {
        let _ = (openpgp::Signature::parse(packet.body), Key::parse(packet.body));
    }
}
