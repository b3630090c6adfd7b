//! Entries to the parsers of this crate for `tests/fuzz`. Each takes any bytes and must return.

use camino::Utf8Path;

pub use crate::apt::fuzzing::{openpgp, release};
pub use crate::items::driver::fuzzing::{driver_header, driver_payload, vgpu_config};
pub use crate::items::image::fuzzing::{image_archive, oci_document};

use crate::lock::Lock;
use crate::recipe::Recipe;

/// Parses a recipe.
pub fn recipe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(recipe) = Recipe::of_text(Utf8Path::new("bundle.toml"), text) {
        let _ = recipe.digest();
    }
}

/// Parses a lock. Written again, it reads as the same lock.
pub fn lock(bytes: &[u8]) {
    let path = Utf8Path::new("bundle.lock");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(lock) = Lock::parse(path, text) else { return };
    let Ok(text) = lock.to_text() else { return };
    let again = Lock::parse(path, &text).and_then(|lock| lock.to_text());
    assert_eq!(again.ok(), Some(text));
}
