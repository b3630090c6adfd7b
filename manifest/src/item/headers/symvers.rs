use crate::verdict::Export;

/// A line does not have the format of `Module.symvers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {0} of Module.symvers is not a checksum, a symbol, a module and a kind of export")]
pub struct SymversError(usize);

/// A symbol that a kernel or one of its modules exports: a line of `Module.symvers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported<'t> {
    /// The name.
    pub symbol: &'t str,
    /// The checksum of its type; 0 if the kernel has none (`CONFIG_MODVERSIONS`).
    pub crc: u32,
    /// `vmlinux`, or the path of the module without its suffix.
    pub exporter: &'t str,
    /// The kind of export, such as `EXPORT_SYMBOL_GPL`.
    pub how: &'t str,
    /// The namespace; empty if every module may use the symbol.
    pub namespace: &'t str,
}

/// Returns the lines of `Module.symvers`.
///
/// Each line has a checksum, the symbol, the exporter, the kind of export, and since Linux 5.6 a
/// namespace, separated by tabs. A symbol in a namespace is only for importers of the namespace,
/// and one in a namespace `module:…` only for the modules named there
/// (`EXPORT_SYMBOL_FOR_MODULES`).
pub fn exports(symvers: &str) -> impl Iterator<Item = Result<Exported<'_>, SymversError>> {
    symvers.lines().enumerate().map(|(at, line)| {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let parts = (next(), next(), next(), next(), next().unwrap_or_default(), next());
        let (Some(crc), Some(symbol), Some(exporter), Some(how), namespace, None) = parts else {
            return Err(SymversError(at + 1));
        };
        let crc = crc.strip_prefix("0x").and_then(|crc| u32::from_str_radix(crc, 16).ok());
        match crc {
            Some(crc) if !exporter.is_empty() && how.starts_with("EXPORT_") => {
                Ok(Exported { symbol, crc, exporter, how, namespace })
            }
            _ => Err(SymversError(at + 1)),
        }
    })
}

/// Checks whether the kernel exports `symbol` to every module, by `symvers`. NVIDIA's modules import
/// no namespace, so a symbol in one is missing for them.
pub(super) fn export(symvers: &str, symbol: &str) -> Result<Export, SymversError> {
    let mut found = Export::Missing;
    for line in exports(symvers) {
        let line = line?;
        if line.symbol == symbol && line.namespace.is_empty() {
            found = Export::Exported;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINES: &str = "\
0x00000000\tenable_apicv_more\tarch/x86/kvm/kvm\tEXPORT_SYMBOL_GPL\t
0x5ae0b5d7\tdma_buf_get\tvmlinux\tEXPORT_SYMBOL_NS_GPL\tDMA_BUF
0x7f02188f\t__msecs_to_jiffies\tvmlinux\tEXPORT_SYMBOL\t
";

    fn with(line: &str) -> Result<Export, SymversError> {
        export(&format!("{LINES}{line}\n"), "enable_apicv")
    }

    #[test]
    fn a_symbol_counts_if_every_module_may_use_it() {
        assert_eq!(export(LINES, "enable_apicv"), Ok(Export::Missing));
        let own = "0x11\tenable_apicv\tarch/x86/kvm/kvm\tEXPORT_SYMBOL_GPL";
        assert_eq!(with(own), Ok(Export::Exported));
        assert_eq!(with(&format!("{own}\t")), Ok(Export::Exported));
        // As in Linux 6.18: for KVM's own modules.
        assert_eq!(with(&format!("{own}\tmodule:kvm-intel,kvm-amd")), Ok(Export::Missing));
        assert_eq!(with(&format!("{own}\tKVM")), Ok(Export::Missing));
    }

    #[test]
    fn what_is_no_list_of_exports_is_refused() {
        for (line, at) in [
            ("0x11 enable_apicv kvm EXPORT_SYMBOL_GPL", 4),
            ("11\tenable_apicv\tkvm\tEXPORT_SYMBOL_GPL", 4),
            ("0x1g\tenable_apicv\tkvm\tEXPORT_SYMBOL_GPL", 4),
            ("0x11\tenable_apicv\t\tEXPORT_SYMBOL_GPL", 4),
            // As in Linux 5.4 and 5.5, which no supported Proxmox VE release has.
            ("0x11\tenable_apicv\t\tarch/x86/kvm/kvm\tEXPORT_SYMBOL_GPL", 4),
            ("", 4),
        ] {
            assert_eq!(with(line), Err(SymversError(at)), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(0x[0-9a-f]{0,8}\t[a-z]{0,3}\t?[a-z]?\tEXPORT_\\PC{0,3}\n){0,5}") {
            let _ = export(&text, "a");
        }
    }
}
