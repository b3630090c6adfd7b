//! The script at the start of a `.run` file.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vgpu_bundler::fuzzing::driver_header(bytes));
