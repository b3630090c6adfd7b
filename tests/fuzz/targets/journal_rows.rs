//! The rows of a journal, one column a line.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vgpu_installer::fuzzing::journal_rows(bytes));
