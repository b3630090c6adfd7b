use serde::Deserialize;

use super::Inventory;

/// The version of the document. It rises with every change that an older reader would misunderstand;
/// fields never change their meaning.
pub const SCHEMA: u32 = 1;

/// The largest document that is read, in bytes: 8 MiB. A node with 2,000 packages writes 0.3 MiB.
pub const MAX_DOCUMENT: usize = 8 << 20;

/// The length of the longest list in a document.
pub const MAX_LIST: usize = 20_000;

/// A document is not a valid inventory for this program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// It is too large.
    #[error("the inventory has {0} bytes; the limit is {MAX_DOCUMENT}")]
    Size(usize),
    /// Another version of the program wrote it.
    #[error("the inventory has schema {0}, and this program reads schema {SCHEMA}; {remedy}", remedy = remedy(*.0))]
    Schema(u32),
    /// It has another structure.
    #[error("not an inventory: {0}")]
    Shape(#[from] serde_json::Error),
    /// A list is too long.
    #[error("the inventory lists {count} {list}; the limit is {MAX_LIST}")]
    TooMany {
        /// The list.
        list: &'static str,
        /// Its length.
        count: usize,
    },
    /// A list is not strictly ascending.
    #[error(
        "the inventory's {0} are not sorted or have duplicates; run `vgpu-installer inventory` again"
    )]
    Order(&'static str),
}

fn remedy(schema: u32) -> &'static str {
    if schema > SCHEMA { "use a newer program" } else { "run `vgpu-installer inventory` again" }
}

impl Inventory {
    /// Parses and checks a document.
    pub fn from_json(bytes: &[u8]) -> Result<Self, InventoryError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(InventoryError::Size(bytes.len()));
        }
        // Another schema may have other fields, so only the schema is parsed first.
        let Version { schema } = serde_json::from_slice(bytes)?;
        if schema != SCHEMA {
            return Err(InventoryError::Schema(schema));
        }
        let inventory: Self = serde_json::from_slice(bytes)?;
        inventory.check()?;
        Ok(inventory)
    }

    /// Returns the document in readable form, with a final line feed.
    pub fn to_json(&self) -> Result<String, InventoryError> {
        self.check()?;
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        if json.len() > MAX_DOCUMENT { Err(InventoryError::Size(json.len())) } else { Ok(json) }
    }

    /// Checks limits and order, which the types do not express.
    fn check(&self) -> Result<(), InventoryError> {
        ascending("boot evidence", &self.boot.evidence)?;
        ascending("enrolled keys", &self.boot.keys)?;
        short("kernel words", &self.boot.words)?;
        ascending("kernels", &self.kernels.installed)?;
        ascending("modules", &self.kernels.modules)?;
        ascending("free spaces", &self.root.free)?;
        if let Some(pool) = &self.root.pool {
            ascending("pool features", &pool.features_at_most)?;
        }
        ascending("GPUs", &self.gpus)?;
        for gpu in &self.gpus {
            ascending("BARs", &gpu.bars)?;
            if let Some(sr_iov) = &gpu.sr_iov {
                ascending("virtual functions", &sr_iov.functions)?;
            }
        }
        ascending("IOMMU groups", &self.iommu_groups)?;
        for group in &self.iommu_groups {
            ascending("members of an IOMMU group", &group.members)?;
        }
        ascending("package sources", &self.apt_sources)?;
        ascending("packages", &self.packages)?;
        ascending("leftovers", &self.leftovers)?;
        ascending("unread files", &self.unread)
    }
}

/// The field that every schema has.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

fn short<T>(list: &'static str, items: &[T]) -> Result<(), InventoryError> {
    let count = items.len();
    if count > MAX_LIST { Err(InventoryError::TooMany { list, count }) } else { Ok(()) }
}

fn ascending<T: Ord>(list: &'static str, items: &[T]) -> Result<(), InventoryError> {
    short(list, items)?;
    if items.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(InventoryError::Order(list)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The smallest inventory.
    const SMALLEST: &str = r#"{
        "schema": 1,
        "os": {"id": null, "codename": null, "debian": null, "pve": null},
        "cpu": {"vendor": "other", "machine": "physical"},
        "iommu": "off",
        "boot": {"firmware": "bios", "loader": null, "evidence": [], "sync": "direct",
            "secure-boot": "unsupported", "lockdown": null, "keys": [], "dkms-key": null, "words": []},
        "kernels": {"running": null, "pinned": null, "pinned-next": null, "installed": [], "modules": []},
        "root": {"kind": null, "pool": null, "free": []},
        "gpus": [], "iommu-groups": [], "apt-sources": [], "subscription": "none",
        "packages": [], "leftovers": [], "unread": []
    }"#;

    fn message(json: &str) -> String {
        Inventory::from_json(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_document_reads_back_as_it_was_written() {
        let inventory = Inventory::from_json(SMALLEST.as_bytes()).unwrap();
        let json = inventory.to_json().unwrap();
        assert_eq!(Inventory::from_json(json.as_bytes()).unwrap(), inventory);
    }

    #[test]
    fn another_schema_is_refused_before_its_fields_are_parsed() {
        let newer = r#"{"schema": 2, "something": ["new"]}"#;
        assert_eq!(
            message(newer),
            "the inventory has schema 2, and this program reads schema 1; use a newer program"
        );
        assert!(message(r#"{"schema": 0}"#).ends_with("run `vgpu-installer inventory` again"));
    }

    #[test]
    fn unknown_fields_and_values_are_refused() {
        let unknown = SMALLEST.replacen("\"schema\": 1,", "\"schema\": 1, \"hostname\": \"x\",", 1);
        assert!(message(&unknown).contains("unknown field `hostname`"));
        for broken in
            ["", "[]", "{}", "null", "{\"schema\": 1}", &SMALLEST.replace("\"off\"", "\"maybe\"")]
        {
            assert!(Inventory::from_json(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn lists_have_one_order_and_a_limit() {
        let twice = SMALLEST.replace(
            "\"leftovers\": []",
            r#""leftovers": [{"kind": "rustup", "path": "/root/.rustup"}, {"kind": "rustup", "path": "/root/.cargo"}]"#,
        );
        assert!(message(&twice).contains("leftovers are not sorted"));
        let words = vec!["\"quiet\""; MAX_LIST + 1].join(",");
        let many = SMALLEST.replace("\"words\": []", &format!("\"words\": [{words}]"));
        assert!(message(&many).contains("20001 kernel words"));
        let huge = " ".repeat(MAX_DOCUMENT + 1);
        assert!(message(&huge).contains("8388609 bytes"));
    }

    proptest! {
        #[test]
        fn no_document_makes_the_reader_panic(at in 0..SMALLEST.len(), byte: u8) {
            let mut bytes = SMALLEST.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = Inventory::from_json(&bytes);
            let _ = Inventory::from_json(&bytes[..at]);
        }
    }
}
