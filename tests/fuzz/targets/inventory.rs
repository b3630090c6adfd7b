//! An inventory. Written again, it reads as the same one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vgpu_manifest::inventory::Inventory;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(inventory) = Inventory::from_json(bytes) {
        let text = inventory.to_json().unwrap();
        assert_eq!(Inventory::from_json(text.as_bytes()).unwrap(), inventory);
    }
});
