//! A stand-in for an unlock library: it has the symbol that is preloaded, and changes nothing.

#![no_std]

use core::ffi::{c_int, c_long, c_ulong, c_void};

const SYS_IOCTL: c_long = 16;

#[link(name = "c")]
unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn abort() -> !;
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(file: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    unsafe { syscall(SYS_IOCTL, file, request, argument) as c_int }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe { abort() }
}
