//! The demo: one bundle, from laptop to host and back.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = vgpu_tests::programs::become_named_program() {
        return code;
    }
    ExitCode::SUCCESS
}
