//! The commands in `docs/STOCK-RECIPE.md`.

use std::fs;

/// Returns the one block of the document that is marked as the recipe.
///
/// # Panics
///
/// If there is no such block, or more than one.
#[must_use]
pub fn recipe() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/STOCK-RECIPE.md");
    let text = fs::read_to_string(path).expect("the document");
    let blocks: Vec<&str> = text.split("```sh recipe\n").skip(1).collect();
    let [block] = blocks[..] else { panic!("{} recipes", blocks.len()) };
    block.split_once("```").expect("the end of the block").0.to_owned()
}
