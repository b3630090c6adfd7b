//! What a built library is, from the file itself.

use std::collections::BTreeSet;
use std::num::TryFromIntError;

use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::gnu_symver::VerNeedIterator;
use elf::parse::ParseError;
use elf::string_table::StringTable;
use elf::{ElfBytes, section::SectionHeader};
use vgpu_manifest::unlock::GlibcVersion;

/// The largest that a library may be; the real one has about a megabyte.
pub(super) const MAX_LIBRARY: u64 = 16 << 20;

/// The libraries that every Proxmox host has, because glibc and gcc's support library bring them.
const EVERYWHERE: [&str; 8] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
];

/// A library cannot be preloaded into NVIDIA's daemons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LibraryFault {
    /// It is no ELF file, or a damaged one.
    #[error("it is not an ELF file, or a damaged one: {0}")]
    Damaged(String),
    /// It is larger than any.
    #[error("it has more than {MAX_LIBRARY} bytes")]
    TooLarge,
    /// It is for another processor.
    #[error("it is not for x86-64")]
    Machine,
    /// It is a program, or an object file.
    #[error("it is not a shared library")]
    NotShared,
    /// It does not use glibc, as everything on a Proxmox host does.
    #[error("it does not use glibc, and cannot be loaded into programs that do (it needs {0})")]
    NotGlibc(String),
    /// It needs a library that a host may not have.
    #[error("it needs `{0}`, which a Proxmox host may not have")]
    Needs(String),
    /// It does not replace the function that it is preloaded for.
    #[error("it does not export `ioctl`, so preloading it would change nothing")]
    NoIoctl,
    /// It needs parts of glibc that change without notice.
    #[error("it needs `{0}` of glibc, which no other version has to have")]
    Private(String),
}

impl From<ParseError> for LibraryFault {
    fn from(error: ParseError) -> Self {
        Self::Damaged(format!("{error:?}"))
    }
}

impl From<TryFromIntError> for LibraryFault {
    fn from(_: TryFromIntError) -> Self {
        Self::Damaged("a number is too large".to_owned())
    }
}

type Elf<'f> = ElfBytes<'f, LittleEndian>;

/// The oldest glibc that loads the library with these bytes.
pub(crate) fn oldest_glibc(bytes: &[u8]) -> Result<GlibcVersion, LibraryFault> {
    if bytes.len() as u64 > MAX_LIBRARY {
        return Err(LibraryFault::TooLarge);
    }
    let file = Elf::minimal_parse(bytes)?;
    if file.ehdr.class != Class::ELF64 || file.ehdr.e_machine != abi::EM_X86_64 {
        return Err(LibraryFault::Machine);
    }
    let is_program =
        file.segments().is_some_and(|all| all.iter().any(|it| it.p_type == abi::PT_INTERP));
    if file.ehdr.e_type != abi::ET_DYN || is_program {
        return Err(LibraryFault::NotShared);
    }
    check_needed(&file)?;
    let mut oldest = GlibcVersion::new(2, 2);
    for version in versions(&file)? {
        oldest = oldest.max(glibc(&version)?);
    }
    check_exports(&file)?;
    Ok(oldest)
}

/// The libraries that it asks for are on every host.
fn check_needed(file: &Elf<'_>) -> Result<(), LibraryFault> {
    let (_, names) = file.dynamic_symbol_table()?.ok_or(LibraryFault::NoIoctl)?;
    let dynamic = file.dynamic()?.ok_or(LibraryFault::NotShared)?;
    let mut needed = BTreeSet::new();
    for entry in dynamic.iter().filter(|entry| entry.d_tag == abi::DT_NEEDED) {
        needed.insert(shown(&names, entry.d_val())?);
    }
    if !needed.contains("libc.so.6") {
        let needed: Vec<String> = needed.into_iter().collect();
        let what = if needed.is_empty() { "nothing".to_owned() } else { needed.join(", ") };
        return Err(LibraryFault::NotGlibc(what));
    }
    match needed.into_iter().find(|name| !EVERYWHERE.contains(&name.as_str())) {
        Some(other) => Err(LibraryFault::Needs(other)),
        None => Ok(()),
    }
}

/// `ioctl` is a function of its own that others see.
fn check_exports(file: &Elf<'_>) -> Result<(), LibraryFault> {
    let (symbols, names) = file.dynamic_symbol_table()?.ok_or(LibraryFault::NoIoctl)?;
    for symbol in symbols.iter() {
        let is_seen = [abi::STB_GLOBAL, abi::STB_WEAK].contains(&symbol.st_bind())
            && [abi::STV_DEFAULT, abi::STV_PROTECTED].contains(&symbol.st_vis());
        let is_function = symbol.st_symtype() == abi::STT_FUNC && !symbol.is_undefined();
        if is_seen && is_function && names.get_raw(symbol.st_name as usize)? == b"ioctl" {
            return Ok(());
        }
    }
    Err(LibraryFault::NoIoctl)
}

/// The names of all versions of symbols that it needs from other libraries.
fn versions(file: &Elf<'_>) -> Result<BTreeSet<String>, LibraryFault> {
    let mut versions = BTreeSet::new();
    let Some(sections) = file.section_headers() else { return Ok(versions) };
    let needs: Option<SectionHeader> =
        sections.iter().find(|section| section.sh_type == abi::SHT_GNU_VERNEED);
    let Some(section) = needs else { return Ok(versions) };
    let names = sections.get(usize::try_from(section.sh_link)?)?;
    let names = file.section_data_as_strtab(&names)?;
    let (data, _) = file.section_data(&section)?;
    let class = file.ehdr.class;
    let count = u64::from(section.sh_info);
    let mut seen = 0;
    for (need, needed) in VerNeedIterator::new(LittleEndian, class, count, 0, data) {
        seen += 1;
        let mut left = need.vn_cnt;
        for version in needed {
            left = left.saturating_sub(1);
            versions.insert(shown(&names, u64::from(version.vna_name))?);
        }
        if left > 0 {
            return Err(LibraryFault::Damaged("its list of versions ends early".to_owned()));
        }
    }
    // The library ends early where something does not parse, and says nothing.
    if seen != count {
        return Err(LibraryFault::Damaged("its list of versions ends early".to_owned()));
    }
    Ok(versions)
}

/// The version of glibc that has the symbols of this version.
fn glibc(version: &str) -> Result<GlibcVersion, LibraryFault> {
    let Some(number) = version.strip_prefix("GLIBC_") else {
        // Of libgcc, which has had everything for twenty years.
        return Ok(GlibcVersion::new(2, 2));
    };
    if number == "ABI_DT_RELR" {
        return Ok(GlibcVersion::new(2, 36));
    }
    let mut parts = number.split('.').map(|part| part.parse::<u16>().ok());
    // `GLIBC_2.2.5` is what the first one for x86-64 calls itself.
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => Ok(GlibcVersion::new(major, minor)),
        _ => Err(LibraryFault::Private(version.to_owned())),
    }
}

/// A name, safe to show.
fn shown(names: &StringTable<'_>, at: u64) -> Result<String, LibraryFault> {
    let raw = names.get_raw(usize::try_from(at)?)?;
    let text: String = String::from_utf8_lossy(raw).chars().take(100).collect();
    Ok(text.escape_debug().to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    /// A small library of this machine that the tests themselves use.
    static LIBGCC: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let path = maps.lines().find(|line| line.contains("/libgcc_s.so")).unwrap();
        std::fs::read(&path[path.find('/').unwrap()..]).unwrap()
    });

    #[test]
    fn versions_are_those_that_glibc_has() {
        assert_eq!(glibc("GLIBC_2.2.5").unwrap(), GlibcVersion::new(2, 2));
        assert_eq!(glibc("GLIBC_2.34").unwrap(), GlibcVersion::new(2, 34));
        assert_eq!(glibc("GLIBC_ABI_DT_RELR").unwrap(), GlibcVersion::new(2, 36));
        assert_eq!(glibc("GCC_3.0").unwrap(), GlibcVersion::new(2, 2));
        for bad in ["GLIBC_PRIVATE", "GLIBC_", "GLIBC_x.2"] {
            assert!(matches!(glibc(bad), Err(LibraryFault::Private(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_no_library_for_a_host_is_told_apart() {
        let fault = |bytes: &[u8]| oldest_glibc(bytes).unwrap_err();
        assert!(matches!(fault(b""), LibraryFault::Damaged(_)));
        assert!(matches!(fault(b"#!/bin/sh\n"), LibraryFault::Damaged(_)));
        assert_eq!(fault(&LIBGCC), LibraryFault::NoIoctl);
        assert!(matches!(fault(&LIBGCC[..9000]), LibraryFault::Damaged(_)));
        // Byte 16 is the kind; 1 is an object file, 2 a program.
        let mut other = LIBGCC.clone();
        for kind in [1, 2] {
            other[16] = kind;
            assert_eq!(fault(&other), LibraryFault::NotShared);
        }
        // Byte 18 is the processor; 3 is the 386, 183 the 64-bit ARM.
        for machine in [3, 183] {
            other[18] = machine;
            assert_eq!(fault(&other), LibraryFault::Machine);
        }
        assert_eq!(fault(&vec![0; (16 << 20) + 1]), LibraryFault::TooLarge);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
            head in prop::collection::vec((0_usize..64, any::<u8>()), 0..3),
            len in any::<prop::sample::Index>(),
        ) {
            let mut bytes = LIBGCC.clone();
            for (at, byte) in noise {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for (at, byte) in head {
                bytes[at] = byte;
            }
            let _ = oldest_glibc(&bytes);
            bytes.truncate(len.index(bytes.len()));
            let _ = oldest_glibc(&bytes);
        }

        #[test]
        fn no_list_of_versions_makes_it_panic(
            noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ) {
            let mut bytes = LIBGCC.clone();
            let file = Elf::minimal_parse(&LIBGCC).unwrap();
            let sections = file.section_headers().unwrap();
            let wanted = [abi::SHT_GNU_VERNEED, abi::SHT_DYNAMIC, abi::SHT_DYNSYM];
            let parts: Vec<_> =
                sections.iter().filter(|it| wanted.contains(&it.sh_type)).collect();
            for (at, byte) in noise {
                let part = &parts[usize::from(byte) % parts.len()];
                let size = usize::try_from(part.sh_size).unwrap();
                let at = usize::try_from(part.sh_offset).unwrap() + at.index(size);
                bytes[at] = byte;
            }
            let _ = oldest_glibc(&bytes);
        }
    }
}
