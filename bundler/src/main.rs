//! The program `vgpu-bundler`; see the library of the same name.

fn main() -> std::process::ExitCode {
    vgpu_bundler::main()
}
