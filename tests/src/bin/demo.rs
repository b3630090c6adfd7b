//! The demo: one bundle, from laptop to host and back.

fn main() {}
