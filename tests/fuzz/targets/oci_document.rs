//! A manifest or an index of a container image.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vgpu_bundler::fuzzing::oci_document(bytes));
