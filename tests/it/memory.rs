//! The memory limit for large numbers of inputs: 64 MiB.
//!
//! Drivers and images have limits in their own suites, and the benchmark prints the peak of each
//! command with its time.

use std::fmt::Write as _;

use vgpu_tests::memory::peak_of;
use vgpu_tests::scratch::Scratch;

/// In KiB.
const BAR: u64 = 64 << 10;

#[test]
fn trees_that_are_packed_at_a_time_take_the_memory_of_one() {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let mut recipe = "[bundle]\nname = \"trees\"\nchannel = \"stable\"\n".to_owned();
    for tree in 0..6_u32 {
        // Varied text, as in source code.
        let text = |file: u32| {
            (0..60_000_u32).fold(String::new(), |mut text, word| {
                let mixed = (word ^ tree << 20 ^ file << 24).wrapping_mul(0x9e37_79b1) >> 14;
                write!(text, "{mixed:x}{}", if word % 12 == 0 { '\n' } else { ' ' }).unwrap();
                text
            })
        };
        for file in 0..4 {
            scratch.write(&format!("tree-{tree}/file-{file}"), text(file));
        }
        write!(recipe, "[[tree]]\nname = \"{tree}.tar.zst\"\npath = \"tree-{tree}\"\n").unwrap();
    }
    scratch.write("bundle.toml", recipe);
    let mut lock = scratch.bundler(&["--quiet", "lock", "--jobs", "6"]).spawn().unwrap();
    let peak = peak_of(&mut lock).unwrap();
    eprintln!("six trees: {peak} KiB");
    assert!(peak <= BAR, "{peak} KiB at its peak");
}
