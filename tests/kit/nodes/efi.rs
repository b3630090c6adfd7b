//! EFI variables, as efivarfs shows them.

use std::io;

use super::Root;

const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
const SECURITY: &str = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
const SHIM: &str = "605dab50-e046-4300-abb6-3dd810dd8b23";
/// `EFI_CERT_X509_GUID`, in its memory layout.
const X509: [u8; 16] = [
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
];

/// Writes the firmware variables of a machine that boots this file of its system partition.
pub(super) fn write(root: &mut Root, file: &str) -> io::Result<()> {
    let text: Vec<u8> = utf16(file);
    let node = |kind: [u8; 2], data: &[u8]| {
        let length = u16::try_from(data.len() + 4).unwrap_or_default().to_le_bytes();
        [&kind[..], &length, data].concat()
    };
    let path = [node([4, 1], &[0; 38]), node([4, 4], &text), node([0x7f, 0xff], &[])].concat();
    let length = u16::try_from(path.len()).unwrap_or_default().to_le_bytes();
    let entry = [&[1, 0, 0, 0], &length[..], &utf16("proxmox"), &path].concat();
    variable(root, "BootCurrent", GLOBAL, &[4, 0])?;
    variable(root, "Boot0004", GLOBAL, &entry)?;
    variable(root, "SetupMode", GLOBAL, &[0])?;
    secure_boot(root, 0)
}

/// Writes whether the firmware enforces signatures.
pub(super) fn secure_boot(root: &mut Root, on: u8) -> io::Result<()> {
    variable(root, "SecureBoot", GLOBAL, &[on])
}

/// Writes the name of the boot loader.
pub(super) fn loader_info(root: &mut Root, name: &str) -> io::Result<()> {
    variable(root, "LoaderInfo", LOADER, &utf16(name))
}

/// Writes placeholders for the certificates of a PC vendor, Microsoft, and an owner.
pub(super) fn keys(root: &mut Root, owner: &[u8]) -> io::Result<()> {
    variable(root, "PK", GLOBAL, &list(b"platform key"))?;
    variable(root, "KEK", GLOBAL, &list(b"key exchange key"))?;
    variable(root, "db", SECURITY, &[list(b"first of db"), list(b"second of db")].concat())?;
    variable(root, "MokListRT", SHIM, &list(owner))
}

fn list(certificate: &[u8]) -> Vec<u8> {
    let size = |n: usize| u32::try_from(n).unwrap_or_default().to_le_bytes();
    let entry = certificate.len() + 16;
    let sizes = [size(28 + entry), size(0), size(entry)].concat();
    [&X509[..], &sizes, &[0; 16], certificate].concat()
}

fn variable(root: &mut Root, name: &str, namespace: &str, value: &[u8]) -> io::Result<()> {
    let path = format!("/sys/firmware/efi/efivars/{name}-{namespace}");
    root.file(&path, [&[7, 0, 0, 0], value].concat())
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}
