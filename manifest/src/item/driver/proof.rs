use serde::{Deserialize, Serialize};

use super::{DriverKind, DriverVersion};
use crate::platform::KernelRelease;
use crate::types::object::objects;
use crate::verdict::Targets;
use crate::{Digest, ItemName, Kind, ModuleName};
use crate::{text, words};

/// The record of a build of the host driver's modules for one kernel, on the machine of the bundler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Proof {
    /// The kernel that the modules were built for.
    pub kernel: KernelRelease,
    /// The version of the driver.
    pub driver: DriverVersion,
    /// The digest of everything in the bundle that the build depended on: [`Proof::inputs_of`].
    pub inputs: Digest,
    /// The first line of the compiler's `--version`.
    pub compiler: CompilerVersion,
    /// The SHA-256 of the build's log, which is not in the bundle.
    pub log: Digest,
    /// The modules.
    #[serde(rename = "module", deserialize_with = "objects")]
    pub modules: Vec<BuiltModule>,
}

/// A module that was built, and whose symbols the kernel and the other modules provide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BuiltModule {
    /// Its name.
    pub name: ModuleName,
    /// The SHA-256 of its file. A signature is a part of the file, so another machine's key gives
    /// another digest.
    pub sha256: Digest,
    /// The state of its signature.
    pub signature: ModuleSignature,
}

words! {
    /// Whether a module carries a signature.
    ModuleSignature, "a state of a module's signature", {
        /// It is signed with a key that DKMS made.
        Signed = "signed",
        /// It carries no signature, so a kernel under Secure Boot refuses it.
        Unsigned = "unsigned",
    }
}

text! {
    /// The first line of a compiler's `--version`.
    CompilerVersion,
    "the version line of a compiler",
    "at most 200 bytes without control characters",
    |text| (1..=200).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl Proof {
    /// The largest number of proofs in a bundle: one for each kernel that its nodes may boot.
    pub const MAX: usize = 16;

    /// Returns the digest of everything in a bundle that a build of modules depends on.
    ///
    /// It is the SHA-256 of one line for each host driver, patch, package, and package of headers,
    /// in the order of the items, as `sha256sum` prints it; then one line `gpu ID` for each GPU of
    /// the targets, because the arguments of the driver's installer depend on them.
    #[must_use]
    pub fn inputs_of<'i>(
        items: impl Iterator<Item = (&'i ItemName, Digest, &'i Kind)>,
        targets: Option<&Targets>,
    ) -> Digest {
        let counts = |kind: &Kind| match kind {
            Kind::Driver(record) => record.kind == DriverKind::Host,
            Kind::Patch(_) | Kind::Package(_) | Kind::Headers(_) => true,
            _ => false,
        };
        let items = items.filter(|(_, _, kind)| counts(kind));
        let lines = items.map(|(name, sha256, _)| format!("{sha256}  {name}\n"));
        let gpus = targets.iter().flat_map(|targets| &targets.gpu);
        let lines: String = lines.chain(gpus.map(|gpu| format!("gpu {gpu}\n"))).collect();
        Digest::of(lines.as_bytes())
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kernel, driver, compiler, modules, .. } = self;
        let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
        let names = names.join(", ");
        write!(
            f,
            "driver {driver}: built for {kernel} on the laptop ({names}; {})",
            compiler.as_str()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{DriverRecord, PatchRecord, Variant};
    use crate::item::tests::one_spelling;

    fn proof() -> Proof {
        Proof {
            kernel: "6.8.12-43-pve".parse().unwrap(),
            driver: "535.230.02".parse().unwrap(),
            inputs: Digest::of(b"inputs"),
            compiler: "gcc (Debian 12.2.0-14+deb12u1) 12.2.0".parse().unwrap(),
            log: Digest::of(b"log"),
            modules: vec![BuiltModule {
                name: "nvidia".parse().unwrap(),
                sha256: Digest::of(b"module"),
                signature: ModuleSignature::Signed,
            }],
        }
    }

    #[test]
    fn a_record_has_one_spelling_in_json_and_in_toml() {
        one_spelling(
            &proof(),
            &[
                ("6.8.12-43-pve", "6-8"),
                ("gcc (", "gcc\\n("),
                ("\"signed\"", "\"yes\""),
                ("\"nvidia\"", "\"../nvidia\""),
            ],
        );
    }

    #[test]
    fn it_is_told_in_one_line() {
        let line = proof().to_string();
        assert_eq!(
            line,
            "driver 535.230.02: built for 6.8.12-43-pve on the laptop \
             (nvidia; gcc (Debian 12.2.0-14+deb12u1) 12.2.0)"
        );
    }

    #[test]
    fn the_inputs_are_those_of_a_build() {
        let name = |text: &str| text.parse::<ItemName>().unwrap();
        let host = DriverRecord {
            version: "535.230.02".parse().unwrap(),
            kind: DriverKind::Host,
            variant: Variant::Original,
            config: None,
            gpus: Vec::new(),
            archive: None,
            package: None,
        };
        let guest = DriverRecord { kind: DriverKind::Guest, ..host.clone() };
        let patch = PatchRecord { driver: name("a.run"), files: Vec::new() };
        let of = |items: &[(&str, &[u8], Kind)], targets: Option<&Targets>| {
            let items: Vec<_> = items
                .iter()
                .map(|(item, bytes, kind)| (name(item), Digest::of(bytes), kind.clone()))
                .collect();
            Proof::inputs_of(
                items.iter().map(|(item, sha256, kind)| (item, *sha256, kind)),
                targets,
            )
        };
        let driver = ("a.run", &b"driver"[..], Kind::Driver(host));
        let all = [driver.clone(), ("a.patch", b"patch", Kind::Patch(patch.clone()))];
        let without = of(&all[..1], None);
        assert_ne!(of(&all, None), without);
        assert_ne!(of(&[("a.run", b"other", driver.2.clone())], None), without);
        // What no build depends on.
        let more = [driver, ("b", b"guest", Kind::Driver(guest)), ("c", b"file", Kind::Plain)];
        assert_eq!(of(&more, None), without);
        let targets: Targets = toml::from_str("gpu = ['10de:1eb8']\ndriver = '16.9'\n").unwrap();
        assert_ne!(of(&more, Some(&targets)), without);
    }
}
