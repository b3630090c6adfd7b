//! A kernel module, as it was built: its ELF file without its code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use anyhow::{Context as _, anyhow, bail};
use camino::Utf8Path;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::{ElfStream, abi};
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use vgpu_manifest::driver::{BuiltModule, ModuleSignature};
use vgpu_manifest::{Measure, ModuleName};

/// The largest module that is read. NVIDIA's has 60 MiB without debug information.
const MAX_MODULE: u64 = 1 << 30;

/// The largest section that is read: those with names, symbols and checksums.
const MAX_SECTION: u64 = 16 << 20;

/// The ends of names of compressed modules.
const PACKED: [&str; 3] = ["gz", "xz", "zst"];

/// The memory limit for compressed modules, in KiB.
const XZ_MEMORY: u32 = 80 << 10;

/// The end of a signed module: `MODULE_SIG_STRING` of `include/linux/module_signature.h`.
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// The length of a line of `__versions`: `struct modversion_info`, a checksum and a name.
const VERSION_LEN: usize = 64;

/// A module that was built, and what it asks of the kernel.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) built: BuiltModule,
    /// The name of its file without a compression, such as `nvidia-modeset.ko`; the kernel calls
    /// that module `nvidia_modeset`.
    pub(super) file: String,
    /// Its own version, from `MODULE_VERSION`.
    pub(super) version: Option<String>,
    /// The kernel and the settings that it was built for.
    pub(super) vermagic: String,
    pub(super) license: License,
    /// The namespaces that it imports.
    pub(super) namespaces: BTreeSet<String>,
    /// The symbols that others must provide, with the checksums recorded for them.
    pub(super) needs: BTreeMap<String, Option<u32>>,
    /// The symbols that it provides to other modules.
    pub(super) exports: BTreeSet<String>,
}

/// Whether a module may use symbols that are exported for the GPL only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum License {
    /// One of the licenses in `license_is_gpl_compatible` of `include/linux/license.h`.
    Gpl,
    /// Another one, such as `NVIDIA`.
    Other,
}

impl License {
    fn of(text: &str) -> Self {
        let gpl = [
            "GPL",
            "GPL v2",
            "GPL and additional rights",
            "Dual BSD/GPL",
            "Dual MIT/GPL",
            "Dual MPL/GPL",
        ];
        if gpl.contains(&text) { Self::Gpl } else { Self::Other }
    }
}

impl Module {
    /// Reads the module in a file, which may be compressed with gzip, xz or zstd, as modules of some
    /// kernels are.
    pub(super) fn read(path: &Utf8Path) -> anyhow::Result<Self> {
        let read = || {
            let packed = path.extension().filter(|it| PACKED.contains(it));
            let name = if packed.is_some() { path.file_stem() } else { path.file_name() };
            Self::of(plain(File::open(path)?, packed)?, name.unwrap_or_default())
        };
        read().with_context(|| format!("cannot read the module `{path}`"))
    }

    fn of(mut file: File, file_name: &str) -> anyhow::Result<Self> {
        let sha256 = Measure::of(&mut file)?.sha256;
        let signature = signature(&mut file)?;
        let len = file.rewind().and_then(|()| file.metadata())?.len();
        let mut elf = ElfStream::<LittleEndian, _>::open_stream(file).map_err(damaged)?;
        let header = &elf.ehdr;
        if header.class != Class::ELF64
            || header.e_machine != abi::EM_X86_64
            || header.e_type != abi::ET_REL
        {
            bail!("the file is not a kernel module for x86-64");
        }
        if elf.section_headers().iter().any(|section| is_beyond(section, len)) {
            return Err(damaged("a section ends after the file"));
        }
        let info = section(&mut elf, ".modinfo")?;
        let info = info.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let (mut values, mut namespaces) = (BTreeMap::new(), BTreeSet::new());
        for entry in info {
            match entry.split_once('=') {
                Some(("import_ns", namespace)) => {
                    namespaces.insert(namespace.to_owned());
                }
                Some((key, value)) => {
                    values.entry(key.to_owned()).or_insert_with(|| value.to_owned());
                }
                None => {}
            }
        }
        let mut value = |key: &str| values.remove(key);
        let name: ModuleName = value("name").context("the module has no name")?.parse()?;
        let vermagic = value("vermagic").context("the module names no kernel")?;
        let license = value("license").as_deref().map_or(License::Other, License::of);
        let checksums = checksums(&section(&mut elf, "__versions")?);
        let (needs, exports) = symbols(&mut elf, &checksums)?;
        let built = BuiltModule { name, sha256, signature };
        let version = value("version");
        let file = file_name.to_owned();
        Ok(Self { built, file, version, vermagic, license, namespaces, needs, exports })
    }
}

fn is_beyond(section: &elf::section::SectionHeader, len: u64) -> bool {
    let end = section.sh_offset.checked_add(section.sh_size);
    section.sh_type != abi::SHT_NOBITS && end.is_none_or(|end| end > len)
}

fn damaged(why: impl fmt::Debug) -> anyhow::Error {
    anyhow!("the file is not an ELF file, or is damaged: {why:?}")
}

/// Returns the file, or a temporary file with its uncompressed content.
fn plain(file: File, extension: Option<&str>) -> anyhow::Result<File> {
    let mut reader: Box<dyn io::Read> = match extension {
        Some("gz") => Box::new(MultiGzDecoder::new(file)),
        Some("xz") => Box::new(XzReader::new_mem_limit(file, true, XZ_MEMORY)),
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        _ => return Ok(file),
    };
    let mut plain = tempfile::tempfile()?;
    if io::copy(&mut (&mut reader).take(MAX_MODULE + 1), &mut plain)? > MAX_MODULE {
        bail!("the module has more than {MAX_MODULE} bytes");
    }
    plain.rewind()?;
    Ok(plain)
}

fn signature(file: &mut File) -> io::Result<ModuleSignature> {
    let len = file.metadata()?.len();
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(len.saturating_sub(SIGNED.len() as u64)))?;
    file.read_to_end(&mut end)?;
    Ok(if end == SIGNED { ModuleSignature::Signed } else { ModuleSignature::Unsigned })
}

type Elf = ElfStream<LittleEndian, File>;

/// Returns the content of a section; empty if there is no such section.
fn section(elf: &mut Elf, name: &str) -> anyhow::Result<Vec<u8>> {
    let Some(header) = elf.section_header_by_name(name).map_err(damaged)?.copied() else {
        return Ok(Vec::new());
    };
    if header.sh_size > MAX_SECTION {
        bail!("the section `{name}` has more than {MAX_SECTION} bytes");
    }
    Ok(elf.section_data(&header).map_err(damaged)?.0.to_vec())
}

/// Returns the checksums that a build recorded for the symbols that it used.
fn checksums(section: &[u8]) -> BTreeMap<String, u32> {
    let line = |line: &[u8]| {
        let (crc, name) = line.split_at_checked(8)?;
        let name = name.split(|byte| *byte == 0).next()?;
        let crc = u32::from_le_bytes(crc.get(..4)?.try_into().ok()?);
        Some((String::from_utf8_lossy(name).into_owned(), crc))
    };
    section.chunks_exact(VERSION_LEN).filter_map(line).collect()
}

type Symbols = (BTreeMap<String, Option<u32>>, BTreeSet<String>);

/// Returns the undefined symbols with their checksums, and the exported ones.
///
/// A weak symbol may stay undefined. An export is a `struct kernel_symbol` with the name
/// `__ksymtab_SYMBOL`.
fn symbols(elf: &mut Elf, checksums: &BTreeMap<String, u32>) -> anyhow::Result<Symbols> {
    let tables = [abi::SHT_SYMTAB, abi::SHT_STRTAB];
    let mut sections = elf.section_headers().iter();
    if sections.any(|it| tables.contains(&it.sh_type) && it.sh_size > MAX_SECTION) {
        bail!("the table of symbols has more than {MAX_SECTION} bytes");
    }
    let (mut needs, mut exports) = (BTreeMap::new(), BTreeSet::new());
    let table = elf.symbol_table().map_err(damaged)?;
    let (table, names) = table.context("the module has no symbols")?;
    for symbol in table.iter().skip(1) {
        let name = names.get_raw(symbol.st_name as usize).map_err(damaged)?;
        let name = String::from_utf8_lossy(name);
        if symbol.is_undefined() {
            if symbol.st_bind() == abi::STB_GLOBAL {
                let crc = checksums.get(&*name).copied();
                needs.insert(name.into_owned(), crc);
            }
        } else if let Some(name) = name.strip_prefix("__ksymtab_") {
            exports.insert(name.to_owned());
        }
    }
    Ok((needs, exports))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;
    use std::process::Command;

    use camino::Utf8PathBuf;

    use super::*;

    /// Compiles an object file with the sections of a module: `__versions` as in
    /// `include/linux/module.h`.
    pub(crate) fn compile(folder: &Utf8Path, name: &str, text: &str) -> Utf8PathBuf {
        let (source, object) =
            (folder.join(format!("{name}.c")), folder.join(format!("{name}.ko")));
        let head = "#define INFO(n, text) static const char n[] \
                    __attribute__((used, section(\".modinfo\"), aligned(1))) = text\n\
                    struct version { unsigned long crc; char name[56]; };\n\
                    #define VERSIONS static const struct version versions[] \
                    __attribute__((used, section(\"__versions\")))\n";
        std::fs::write(&source, format!("{head}{text}")).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-c", "-fno-stack-protector", "-fno-pic", "-o", object.as_str(), source.as_str()]);
        assert!(cc.status().unwrap().success());
        object
    }

    /// A module that resembles NVIDIA's.
    pub(crate) const NVIDIA: &str = "\
        INFO(i1, \"name=nvidia\"); INFO(i2, \"license=NVIDIA\"); INFO(i3, \"version=550.90.05\");\n\
        INFO(i4, \"vermagic=6.1.0-9-amd64 SMP preempt mod_unload modversions \");\n\
        INFO(i5, \"import_ns=DMA_BUF\");\n\
        VERSIONS = { {0x11111111, \"printk\"}, {0x22222222, \"dma_buf_get\"} };\n\
        int printk(const char *, ...); int dma_buf_get(int);\n\
        int may_be_absent(void) __attribute__((weak));\n\
        const char *__ksymtab_nvidia_get = \"nvidia_get\";\n\
        int init(void) { if (may_be_absent) may_be_absent(); printk(\"a\"); return dma_buf_get(1); }\n";

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        (dir, path)
    }

    #[test]
    fn a_module_says_what_it_needs_and_provides() {
        let (_dir, folder) = folder();
        let path = compile(&folder, "nvidia", NVIDIA);
        let module = Module::read(&path).unwrap();
        assert_eq!(module.built.name.as_str(), "nvidia");
        assert_eq!(module.version.as_deref(), Some("550.90.05"));
        assert!(module.vermagic.starts_with("6.1.0-9-amd64 "));
        assert_eq!(module.license, License::Other);
        assert_eq!(module.namespaces, BTreeSet::from(["DMA_BUF".to_owned()]));
        assert_eq!(module.needs["printk"], Some(0x1111_1111));
        assert_eq!(module.needs["dma_buf_get"], Some(0x2222_2222));
        assert!(!module.needs.contains_key("may_be_absent"));
        assert_eq!(module.exports, BTreeSet::from(["nvidia_get".to_owned()]));
        assert_eq!(module.built.signature, ModuleSignature::Unsigned);
        let mut signed = std::fs::read(&path).unwrap();
        signed.extend_from_slice(SIGNED);
        std::fs::write(&path, &signed).unwrap();
        let found = Module::read(&path).unwrap();
        assert_eq!(found.built.signature, ModuleSignature::Signed);
        // The digest is of the module itself, however it is packed.
        let packed = folder.join("nvidia.ko.zst");
        std::fs::write(&packed, zstd::encode_all(&*signed, 3).unwrap()).unwrap();
        let unpacked = Module::read(&packed).unwrap();
        assert_eq!((unpacked.built, &*unpacked.file), (found.built.clone(), "nvidia.ko"));
        let packed = folder.join("nvidia.ko.gz");
        let mut encoder = flate2::write::GzEncoder::new(
            File::create(&packed).unwrap(),
            flate2::Compression::fast(),
        );
        encoder.write_all(&signed).unwrap();
        encoder.finish().unwrap();
        assert_eq!(Module::read(&packed).unwrap().built, found.built);
    }

    #[test]
    fn files_that_are_no_modules_are_refused() {
        let (_dir, folder) = folder();
        let whole = std::fs::read(compile(&folder, "nvidia", NVIDIA)).unwrap();
        let fault = |bytes: &[u8]| {
            let path = folder.join("other.ko");
            std::fs::write(&path, bytes).unwrap();
            format!("{:#}", Module::read(&path).unwrap_err())
        };
        assert!(fault(b"#!/bin/sh\n").contains("is damaged"));
        assert!(fault(&whole[..whole.len() / 2]).contains("is damaged"));
        assert!(fault(&std::fs::read("/proc/self/exe").unwrap()).contains("not a kernel module"));
        let plain = std::fs::read(compile(&folder, "plain", "int a;\n")).unwrap();
        assert!(fault(&plain).contains("the module has no name"));
    }
}
