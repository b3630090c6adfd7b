//! Inspection of a built library.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context as _, anyhow, bail};
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::gnu_symver::VerNeedIterator;
use elf::string_table::StringTable;
use elf::{ElfBytes, section::SectionHeader};
use vgpu_manifest::unlock::GlibcVersion;

/// The largest library, in bytes; the real one has about a megabyte.
pub(super) const MAX_LIBRARY: u64 = 16 << 20;

/// The libraries on every Proxmox host: those of glibc, and libgcc.
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

const NO_IOCTL: &str = "the library does not export `ioctl`, so preloading it would change nothing";
const NOT_SHARED: &str = "the file is not a shared library";

type Elf<'f> = ElfBytes<'f, LittleEndian>;

/// Returns the oldest glibc that can load the library with these bytes.
pub(crate) fn oldest_glibc(bytes: &[u8]) -> anyhow::Result<GlibcVersion> {
    if bytes.len() as u64 > MAX_LIBRARY {
        bail!("the library has more than {MAX_LIBRARY} bytes");
    }
    let file = Elf::minimal_parse(bytes).map_err(damaged)?;
    if file.ehdr.class != Class::ELF64 || file.ehdr.e_machine != abi::EM_X86_64 {
        bail!("the library is not for x86-64");
    }
    let is_program =
        file.segments().is_some_and(|all| all.iter().any(|it| it.p_type == abi::PT_INTERP));
    if file.ehdr.e_type != abi::ET_DYN || is_program {
        bail!(NOT_SHARED);
    }
    check_needed(&file)?;
    let mut oldest = GlibcVersion::new(2, 2);
    for version in versions(&file)? {
        oldest = oldest.max(glibc(&version)?);
    }
    check_exports(&file)?;
    check_imports(&file)?;
    Ok(oldest)
}

/// Checks that the needed libraries are on every host.
fn check_needed(file: &Elf<'_>) -> anyhow::Result<()> {
    let (_, names) = file.dynamic_symbol_table().map_err(damaged)?.context(NO_IOCTL)?;
    let dynamic = file.dynamic().map_err(damaged)?.context(NOT_SHARED)?;
    let mut needed = BTreeSet::new();
    for entry in dynamic.iter().filter(|entry| entry.d_tag == abi::DT_NEEDED) {
        needed.insert(shown(&names, entry.d_val())?);
    }
    if !needed.contains("libc.so.6") {
        let needed: Vec<String> = needed.into_iter().collect();
        let what = if needed.is_empty() { "nothing".to_owned() } else { needed.join(", ") };
        bail!(
            "the library does not use glibc, and cannot be loaded into programs that do (it needs {what})"
        );
    }
    match needed.into_iter().find(|name| !EVERYWHERE.contains(&name.as_str())) {
        Some(other) => bail!("the library needs `{other}`, which a Proxmox host may not have"),
        None => Ok(()),
    }
}

/// Checks that the library exports the function `ioctl`.
fn check_exports(file: &Elf<'_>) -> anyhow::Result<()> {
    let (symbols, names) = file.dynamic_symbol_table().map_err(damaged)?.context(NO_IOCTL)?;
    for symbol in symbols.iter() {
        let is_seen = [abi::STB_GLOBAL, abi::STB_WEAK].contains(&symbol.st_bind())
            && [abi::STV_DEFAULT, abi::STV_PROTECTED].contains(&symbol.st_vis());
        let is_function = symbol.st_symtype() == abi::STT_FUNC && !symbol.is_undefined();
        if is_seen
            && is_function
            && names.get_raw(symbol.st_name as usize).map_err(damaged)? == b"ioctl"
        {
            return Ok(());
        }
    }
    bail!(NO_IOCTL)
}

/// Checks that every symbol that other libraries must have is one of glibc or libgcc, which give a
/// version to each of theirs. A linker for an older glibc leaves the rest without one, and the program
/// that loads the library ends at once.
fn check_imports(file: &Elf<'_>) -> anyhow::Result<()> {
    let (symbols, names) = file.dynamic_symbol_table().map_err(damaged)?.context(NO_IOCTL)?;
    let versions = file.symbol_version_table().map_err(damaged)?;
    for (index, symbol) in symbols.iter().enumerate().skip(1) {
        if !symbol.is_undefined() || symbol.st_bind() != abi::STB_GLOBAL {
            continue;
        }
        let version = versions.as_ref().map(|all| all.get_requirement(index)).transpose();
        if version.map_err(damaged)?.flatten().is_none() {
            let name = shown(&names, u64::from(symbol.st_name))?;
            bail!("the library needs `{name}`, which is not in the glibc that it is built for");
        }
    }
    Ok(())
}

/// Returns all symbol versions that it needs from other libraries.
fn versions(file: &Elf<'_>) -> anyhow::Result<BTreeSet<String>> {
    let mut versions = BTreeSet::new();
    let Some(sections) = file.section_headers() else { return Ok(versions) };
    let needs: Option<SectionHeader> =
        sections.iter().find(|section| section.sh_type == abi::SHT_GNU_VERNEED);
    let Some(section) = needs else { return Ok(versions) };
    let names = sections.get(usize::try_from(section.sh_link)?).map_err(damaged)?;
    let names = file.section_data_as_strtab(&names).map_err(damaged)?;
    let (data, _) = file.section_data(&section).map_err(damaged)?;
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
            return Err(damaged("its list of versions ends early"));
        }
    }
    // The iterator ends silently at a parse error.
    if seen != count {
        return Err(damaged("its list of versions ends early"));
    }
    Ok(versions)
}

fn damaged(why: impl fmt::Debug) -> anyhow::Error {
    anyhow!("the file is not an ELF file, or is damaged: {why:?}")
}

/// Returns the glibc that introduced this symbol version.
fn glibc(version: &str) -> anyhow::Result<GlibcVersion> {
    let Some(number) = version.strip_prefix("GLIBC_") else {
        // A version of libgcc, which is old enough on every host.
        return Ok(GlibcVersion::new(2, 2));
    };
    if number == "ABI_DT_RELR" {
        return Ok(GlibcVersion::new(2, 36));
    }
    let mut parts = number.split('.').map(|part| part.parse::<u16>().ok());
    // `GLIBC_2.2.5` is the first version for x86-64.
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => Ok(GlibcVersion::new(major, minor)),
        _ => bail!(
            "the library needs `{version}`, a part of glibc that other versions need not have"
        ),
    }
}

/// Returns a name, escaped for output.
fn shown(names: &StringTable<'_>, at: u64) -> anyhow::Result<String> {
    let raw = names.get_raw(usize::try_from(at).map_err(damaged)?).map_err(damaged)?;
    let text: String = String::from_utf8_lossy(raw).chars().take(100).collect();
    Ok(text.escape_debug().to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    /// A small library that the test program has loaded.
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
            assert!(glibc(bad).unwrap_err().to_string().contains("need not have"), "{bad}");
        }
    }

    #[test]
    fn each_kind_of_unusable_library_has_its_message() {
        let fault = |bytes: &[u8], word: &str| {
            let message = oldest_glibc(bytes).unwrap_err().to_string();
            assert!(message.contains(word), "{word}: {message}");
        };
        fault(b"", "is damaged");
        fault(b"#!/bin/sh\n", "is damaged");
        fault(&LIBGCC, NO_IOCTL);
        fault(&LIBGCC[..9000], "is damaged");
        // Byte 16 is the kind; 1 is an object file, 2 a program.
        let mut other = LIBGCC.clone();
        for kind in [1, 2] {
            other[16] = kind;
            fault(&other, NOT_SHARED);
        }
        // Byte 18 is the processor; 3 is the 386, 183 the 64-bit ARM.
        for machine in [3, 183] {
            other[18] = machine;
            fault(&other, "not for x86-64");
        }
        fault(&vec![0; (16 << 20) + 1], "has more than");
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
