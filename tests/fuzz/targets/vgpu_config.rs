//! A driver's `vgpuConfig.xml`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vgpu_bundler::fuzzing::vgpu_config(bytes));
