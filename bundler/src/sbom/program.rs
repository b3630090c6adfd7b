//! The bill of materials of a program of this project: the crates that it is made of.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vgpu_manifest::Digest;

use super::crates::CargoLock;
use super::cyclonedx::{crate_of, hash, uuid};
use super::model::timestamp;

/// A program that was built from a `Cargo.lock`.
#[derive(Debug)]
pub struct BuiltProgram<'p> {
    /// The name of the command.
    pub name: &'p str,
    /// Its version.
    pub version: &'p str,
    /// The SHA-256 of the executable.
    pub sha256: Digest,
    /// The time of its sources, in seconds since 1970.
    pub created: u64,
    /// The text of the `Cargo.lock`.
    pub lock: &'p str,
    /// Name and version of each linked crate.
    pub linked: &'p BTreeSet<(String, String)>,
}

impl BuiltProgram<'_> {
    /// Returns its bill of materials in CycloneDX 1.6. The same program always gives the same text.
    ///
    /// # Errors
    ///
    /// The `Cargo.lock` cannot be parsed, or lacks a linked crate.
    pub fn bom(&self) -> anyhow::Result<Value> {
        let lock: CargoLock = toml::from_str(self.lock)?;
        let is_linked = |name: &str, version: &str| {
            self.linked.contains(&(name.to_owned(), version.to_owned()))
        };
        let crates: Vec<_> =
            lock.package.iter().filter(|it| is_linked(&it.name, &it.version)).collect();
        anyhow::ensure!(
            crates.len() == self.linked.len(),
            "`Cargo.lock` has {} of the {} crates of {}",
            crates.len(),
            self.linked.len(),
            self.name
        );
        let reference = |number: usize| format!("crate-{number}");
        let components: Vec<_> =
            crates.iter().enumerate().map(|(at, it)| crate_of(it, &reference(at))).collect();
        let references: Vec<_> = (0..crates.len()).map(reference).collect();
        Ok(json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": format!("urn:uuid:{}", uuid(self.sha256)),
            "version": 1,
            "metadata": {
                "timestamp": timestamp(self.created),
                "component": {
                    "type": "application",
                    "bom-ref": "program",
                    "name": self.name,
                    "version": self.version,
                    "hashes": [hash(&self.sha256.to_string())],
                },
            },
            "components": components,
            "dependencies": [{ "ref": "program", "dependsOn": references }],
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_lists_the_crates_that_it_links_and_no_others() {
        let lock = "version = 4\n[[package]]\nname = \"libc\"\nversion = \"0.2.1\"\n\
                    checksum = \"x\"\n[[package]]\nname = \"cc\"\nversion = \"1.0.0\"\n\
                    [[package]]\nname = \"libc\"\nversion = \"0.3.0\"\n";
        let linked = |version: &str| BTreeSet::from([("libc".to_owned(), version.to_owned())]);
        let bom = |linked: &BTreeSet<_>| {
            let sha256 = Digest::of(b"program");
            let program =
                BuiltProgram { name: "app", version: "1.2.3", sha256, created: 0, lock, linked };
            program.bom()
        };
        let bom_of = bom(&linked("0.3.0")).unwrap();
        assert_eq!(bom_of["components"].as_array().unwrap().len(), 1);
        assert_eq!(bom_of["components"][0]["purl"], "pkg:cargo/libc@0.3.0");
        assert_eq!(bom_of["metadata"]["timestamp"], "1970-01-01T00:00:00Z");
        let error = bom(&linked("0.4.0")).unwrap_err().to_string();
        assert!(error.contains("has 0 of the 1 crates of app"), "{error}");
    }
}
