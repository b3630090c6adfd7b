//! The catalog of a bundle: a SQLite file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vgpu_manifest::database;

fuzz_target!(|bytes: &[u8]| {
    let _ = database::read(bytes);
    let _ = database::read_configs(bytes);
});
