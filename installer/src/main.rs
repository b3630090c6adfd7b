//! The program `vgpu-installer`; see the library of the same name.

fn main() -> std::process::ExitCode {
    vgpu_installer::main()
}
