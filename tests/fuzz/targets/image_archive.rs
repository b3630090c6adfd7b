//! A tar archive with container images.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vgpu_bundler::fuzzing::image_archive(bytes));
