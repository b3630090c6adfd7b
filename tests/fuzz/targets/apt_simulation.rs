//! The output of `apt-get --simulate`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vgpu_installer::fuzzing::apt_simulation(bytes));
