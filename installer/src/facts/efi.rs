//! EFI variables in efivarfs: four bytes of attributes, then the value.

use vgpu_manifest::Digest;

/// The GUID of the UEFI specification's own variables.
pub(super) const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// The GUID of the variables that a boot loader sets for systemd.
pub(super) const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// The GUID of `db`.
pub(super) const SECURITY: &str = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
/// The GUID of shim.
pub(super) const SHIM: &str = "605dab50-e046-4300-abb6-3dd810dd8b23";

/// Returns the value of a variable.
pub(super) fn value(file: &[u8]) -> Option<&[u8]> {
    file.get(4..)
}

/// Decodes UTF-16 text, up to its end or a zero.
pub(super) fn text(value: &[u8]) -> String {
    let (units, _) = value.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Returns the file that a boot entry names, with backslashes as in EFI.
///
/// An entry has attributes, the length of its device path, a description in UTF-16 that ends with a
/// zero, and the device path: nodes of type, subtype, length and data (UEFI specification, 3.1.3).
pub(super) fn file_of_entry(entry: &[u8]) -> Option<String> {
    let length = usize::from(u16_at(entry, 4)?);
    let (units, _) = entry.get(6..)?.as_chunks::<2>();
    let description = units.iter().position(|unit| *unit == [0, 0])?;
    let mut path = entry.get(6 + 2 * (description + 1)..)?.get(..length)?;
    let mut file = String::new();
    while let Some(node) = path.get(..4) {
        let length = usize::from(u16_at(node, 2)?);
        let data = path.get(4..length)?;
        match node[..2] {
            [0x04, 0x04] => file.push_str(&text(data)),
            [0x7f, _] => break,
            _ => {}
        }
        path = &path[length..];
    }
    (!file.is_empty()).then_some(file)
}

/// `EFI_CERT_X509_GUID` in its binary form.
const X509: [u8; 16] = [
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
];

/// Returns the SHA-256 of each certificate in a variable with signature lists.
///
/// A list has a type, three sizes (of the list, its header, and an entry), the header, and entries
/// that begin with their owner's GUID (UEFI specification, 32.4.1). `None` if the sizes are
/// inconsistent.
pub(super) fn certificates(mut lists: &[u8]) -> Option<Vec<Digest>> {
    let mut found = Vec::new();
    while !lists.is_empty() {
        let size = |at| Some(u32::from_le_bytes(*lists.get(at..)?.first_chunk()?) as usize);
        let (list, header, entry) = (size(16)?, size(20)?, size(24)?);
        let entries = lists.get(28..list)?.get(header..)?;
        if lists[..16] == X509 && entry > 16 {
            found.extend(entries.chunks_exact(entry).map(|entry| Digest::of(&entry[16..])));
        }
        lists = &lists[list..];
    }
    Some(found)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn node(kind: u8, subtype: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len() + 4).unwrap().to_le_bytes();
        [&[kind, subtype], &length[..], data].concat()
    }

    fn entry(path: &[u8]) -> Vec<u8> {
        let length = u16::try_from(path.len()).unwrap().to_le_bytes();
        [&[1, 0, 0, 0], &length[..], &utf16("proxmox"), path].concat()
    }

    fn list(kind: [u8; 16], header: &[u8], entries: &[&[u8]]) -> Vec<u8> {
        let size = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        let one = entries.first().map_or(0, |entry| entry.len() + 16);
        let sizes = [size(28 + header.len() + one * entries.len()), size(header.len()), size(one)];
        let entries = entries.iter().flat_map(|entry| [&[7; 16], *entry].concat());
        [&kind[..], &sizes.concat(), header].concat().into_iter().chain(entries).collect()
    }

    #[test]
    fn an_entry_names_its_file() {
        let path = [
            node(4, 1, &[0; 38]),
            node(4, 4, &utf16("\\EFI\\proxmox\\grubx64.efi")),
            node(0x7f, 0xff, &[]),
        ];
        assert_eq!(file_of_entry(&entry(&path.concat())).unwrap(), "\\EFI\\proxmox\\grubx64.efi");
        assert_eq!(file_of_entry(&entry(&path[2])), None);
        assert_eq!(file_of_entry(&entry(&[4, 4, 0, 0])), None, "a node of no length");
        assert_eq!(file_of_entry(b""), None);
    }

    #[test]
    fn only_certificates_are_counted() {
        let lists = [list([0; 16], &[], &[&[9; 32]]), list(X509, b"head", &[b"one", b"two"])];
        let digests = [Digest::of(b"one"), Digest::of(b"two")];
        assert_eq!(certificates(&lists.concat()).unwrap(), digests);
        assert_eq!(certificates(&[]).unwrap(), []);
        let mut short = lists.concat();
        short.pop();
        assert_eq!(certificates(&short), None);
        assert_eq!(certificates(&[0; 28]), None, "a list of no length");
    }

    #[test]
    fn text_ends_at_a_zero() {
        assert_eq!(text(&[utf16("GRUB 2.12"), utf16("x")].concat()), "GRUB 2.12");
        assert_eq!(text(&[0x00, 0xd8, 0x41]), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            size in 0u32..100,
        ) {
            file_of_entry(&entry(&bytes));
            file_of_entry(&bytes);
            text(&bytes);
            let sized = [&X509[..], &size.to_le_bytes(), &[0; 4], &[17, 0, 0, 0], &bytes].concat();
            certificates(&sized);
            certificates(&bytes);
        }
    }
}
