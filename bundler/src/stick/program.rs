//! The program for the node: an executable of the right kind, with a signature.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use anyhow::{Context as _, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{Fingerprint, MessageDigest, Policy, Role, Signature, Signer, Trusted};

use vgpu_manifest::ui::Exit;

use super::SignedFile;
use crate::ui::Advise as _;

/// The largest program, several times the size of the installer.
const MAX_PROGRAM: u64 = 64 << 20;

/// The length of the beginning that is searched for the list of segments.
const HEAD: u64 = 1 << 20;

/// The program below the folder in which this one is `bin/vgpu-bundler`: `/usr`, when both are
/// installed from their Debian packages.
const INSTALLED: &str = "lib/vgpu-offline/vgpu-installer";

/// Returns the installer that is installed together with this program, if there is one.
pub(crate) fn installed() -> Option<Utf8PathBuf> {
    let bundler = Utf8PathBuf::try_from(std::env::current_exe().ok()?).ok()?;
    let prefix = bundler.parent()?.parent()?;
    Some(prefix.join(INSTALLED)).filter(|path| path.is_file())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linkage {
    /// Needs nothing of the node.
    Static,
    /// Needs libraries, which may be older on the node.
    Dynamic,
}

/// The program for the node, with a signature that this laptop trusts.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) file: SignedFile,
    pub(crate) linkage: Linkage,
    /// The signature in armor.
    pub(crate) signature: String,
    pub(crate) trusted: Trusted,
}

impl Program {
    /// Measures the program at `path`, without holding it in memory.
    pub(crate) fn read(path: &Utf8Path) -> anyhow::Result<SignedFile> {
        let read = || -> io::Result<SignedFile> {
            let mut file = File::open(path)?;
            let digest = MessageDigest::read(&mut (&mut file).take(MAX_PROGRAM + 1))?;
            let len = file.stream_position()?;
            Ok(SignedFile { file: file.into(), len, digest })
        };
        let file = read().with_context(|| format!("cannot read `{path}`"))?;
        if file.len > MAX_PROGRAM {
            bail!("`{path}` has more than {} MiB, so it is not the installer", MAX_PROGRAM >> 20);
        }
        Ok(file)
    }

    /// Returns the program `file` at `path` with the signature in `armor`, if `policy` trusts it.
    pub(crate) fn signed(
        path: &Utf8Path,
        file: SignedFile,
        armor: (&Utf8Path, &[u8]),
        policy: &Policy,
    ) -> anyhow::Result<Self> {
        let (signature_path, armor) = armor;
        let signature = Signature::from_armor(armor)
            .with_context(|| format!("`{signature_path}` is not the signature of a program"))
            .exit(Exit::Untrusted)?;
        Self::trust(path, file, &signature, policy)
    }

    /// Signs the program `file` at `path`.
    pub(crate) fn sign(
        path: &Utf8Path,
        file: SignedFile,
        signer: &dyn Signer,
        policy: &Policy,
    ) -> anyhow::Result<Self> {
        let signature = signer
            .sign_digest(Role::Installer, &file.digest)
            .with_context(|| format!("cannot sign the program `{path}`"))?;
        Self::trust(path, file, &signature, policy)
    }

    fn trust(
        path: &Utf8Path,
        file: SignedFile,
        signature: &Signature,
        policy: &Policy,
    ) -> anyhow::Result<Self> {
        let head = head(&file.file).with_context(|| format!("cannot read `{path}`"))?;
        let linkage = linkage(&head)
            .map_err(|why| anyhow!("`{path}` is not a program for the node: {why}"))?;
        let trusted = policy
            .judge_digest(Role::Installer, &file.digest, std::slice::from_ref(signature))
            .with_context(|| format!("the program `{path}` is not trusted"))?;
        Ok(Self { file, linkage, signature: signature.to_armor(), trusted })
    }

    /// Returns the fingerprint of the key that signed it.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.trusted.keys.first().map(vgpu_keys::PublicKey::fingerprint)
    }
}

/// Returns the beginning of a program, which lists its segments.
fn head(mut file: &File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.rewind()?;
    file.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// Returns how the ELF program that begins with `bytes` is linked, or why it does not run on a
/// node.
fn linkage(bytes: &[u8]) -> Result<Linkage, &'static str> {
    const EXECUTABLE: u16 = 2;
    const SHARED: u16 = 3;
    const X86_64: u16 = 62;
    const PT_INTERP: u32 = 3;
    let two = |at: usize| {
        let bytes = bytes.get(at..at + 2).and_then(|it| it.try_into().ok());
        bytes.map(u16::from_le_bytes).ok_or("it is cut short")
    };
    // Magic number, 64 bits, little-endian.
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return Err("it is no 64-bit ELF file");
    }
    if two(18)? != X86_64 || ![EXECUTABLE, SHARED].contains(&two(16)?) {
        return Err("it is no program for x86-64");
    }
    let table = bytes.get(32..40).and_then(|it| it.try_into().ok()).map(u64::from_le_bytes);
    let table = table.and_then(|at| usize::try_from(at).ok()).ok_or("it is cut short")?;
    let (entry, count) = (usize::from(two(54)?), usize::from(two(56)?));
    for index in 0..count {
        let at = index.checked_mul(entry).and_then(|offset| offset.checked_add(table));
        let kind = at.and_then(|at| bytes.get(at..at.checked_add(4)?)?.try_into().ok());
        let kind = kind.map(u32::from_le_bytes).ok_or("it is cut short")?;
        if kind == PT_INTERP {
            return Ok(Linkage::Dynamic);
        }
    }
    Ok(Linkage::Static)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with program headers of these types.
    fn elf(machine: u16, segments: &[u32]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        bytes[16..18].copy_from_slice(&2_u16.to_le_bytes());
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&u16::try_from(segments.len()).unwrap().to_le_bytes());
        for kind in segments {
            bytes.extend(kind.to_le_bytes());
            bytes.resize(bytes.len() + 52, 0);
        }
        bytes
    }

    #[test]
    fn a_program_says_how_it_is_linked() {
        assert_eq!(linkage(&elf(62, &[1, 1])), Ok(Linkage::Static));
        assert_eq!(linkage(&elf(62, &[6, 3, 1])), Ok(Linkage::Dynamic));
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(linkage(&own).is_ok());
    }

    #[test]
    fn what_is_no_program_for_the_node_is_refused() {
        assert!(linkage(b"#!/bin/sh\n").is_err());
        assert!(linkage(&elf(183, &[1])).is_err(), "for ARM");
        let whole = elf(62, &[1, 1]);
        for len in 0..whole.len() - 52 {
            assert!(linkage(&whole[..len]).is_err(), "{len}");
        }
        // A table that begins outside of every memory.
        let mut far = elf(62, &[1]);
        far[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(linkage(&far).is_err());
    }
}
