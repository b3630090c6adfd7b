//! A reviewed plan.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vgpu_installer::fuzzing::reviewed_plan(bytes));
