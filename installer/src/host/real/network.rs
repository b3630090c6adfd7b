//! Processes without a network: a seccomp filter that refuses every socket but those within the
//! machine.
//!
//! The filter belongs to a thread, and children inherit it with all their descendants. So it also
//! covers maintainer scripts, DKMS and NVIDIA's installer. It is no jail for hostile programs, which
//! have the rights of root, but it turns "opens no socket" from a habit into a rule of the kernel.

use std::io;
use std::process::{Child, Command};
use std::thread;

use seccompiler::{Error, sock_filter};

/// The programs that need a network: engines of the license server, the request for its health, and
/// programs of Proxmox VE, which ask storage servers and set up interfaces of containers.
const NETWORKED: [&str; 6] = ["curl", "docker", "pct", "podman", "pvesh", "pvesm"];

/// Starts a program, without a network unless it needs one.
///
/// This consumes the builder, which holds this process's ends of the child's pipes: their readers
/// would never reach the end otherwise.
pub(super) fn spawn(program: &str, mut process: Command) -> io::Result<Child> {
    if NETWORKED.contains(&program.rsplit('/').next().unwrap_or_default()) {
        return process.spawn();
    }
    // The thread ends, and its filter with it; the child keeps the filter.
    let start = || {
        deny()?;
        process.spawn()
    };
    let started = thread::scope(|scope| scope.spawn(start).join());
    started.unwrap_or_else(|_| Err(io::Error::other("the thread that starts programs failed")))
}

/// Denies network sockets to this thread, and to all threads and programs that it starts from now
/// on. There is no way back.
///
/// The kernel takes such a filter only from a thread that gains no rights by running setuid programs
/// (`PR_SET_NO_NEW_PRIVS`); root has nothing to gain by them.
pub(crate) fn deny() -> io::Result<()> {
    seccompiler::apply_filter(&FILTER).map_err(|error| match error {
        Error::Prctl(source) | Error::Seccomp(source) => source,
        other => io::Error::other(other),
    })
}

/// `struct seccomp_data` of linux/seccomp.h: the offsets of its fields, in bytes.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// linux/audit.h.
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;

/// The bit of system calls of the x32 ABI: asm/unistd.h.
const X32: u32 = 0x4000_0000;

/// System calls by number: `socket` of both ABIs, and i386's older `socketcall`, whose arguments are
/// in memory where a filter cannot see them. `io_uring`, which has one number everywhere, can create
/// sockets too.
const SOCKET: u32 = 41;
const SOCKET_I386: u32 = 359;
const SOCKETCALL_I386: u32 = 102;
const IO_URING_SETUP: u32 = 425;

/// The families within the machine: `AF_UNIX`, `AF_NETLINK` (the kernel's own, which `udevadm` and
/// `ip` use), and `AF_ALG` (the kernel's ciphers).
const LOCAL: [u32; 3] = [1, 16, 38];

/// linux/seccomp.h: allow, and fail with an error number: `EAFNOSUPPORT`, as of a kernel without this
/// family, and `ENOSYS`, as of one without `io_uring`. Programs handle both.
const ALLOW: sock_filter = answer(0x7fff_0000);
const NO_FAMILY: sock_filter = answer(0x0005_0000 + 97);
const NO_CALL: sock_filter = answer(0x0005_0000 + 38);

/// The program, in the order in which the kernel runs it. A jump skips a number of instructions; the
/// numbers on the left are for reading.
#[rustfmt::skip]
const FILTER: [sock_filter; 17] = [
    /*  0 */ load(ARCH),
    /*  1 */ jump_if(X86_64, 3, 0),              // to 5
    /*  2 */ jump_if(I386, 0, 12),               // otherwise to 15
    /*  3 */ load(NUMBER),
    /*  4 */ jump_if(SOCKETCALL_I386, 9, 3),     // to 14, otherwise to 8
    /*  5 */ load(NUMBER),
    /*  6 */ sock_filter { code: 0x54, jt: 0, jf: 0, k: !X32 }, // BPF_ALU | BPF_AND | BPF_K
    /*  7 */ jump_if(SOCKET, 2, 1),              // to 10, otherwise to 9
    /*  8 */ jump_if(SOCKET_I386, 1, 0),         // to 10
    /*  9 */ jump_if(IO_URING_SETUP, 6, 5),      // to 16, otherwise to 15
    /* 10 */ load(FIRST_ARGUMENT),
    /* 11 */ jump_if(LOCAL[0], 3, 0),            // to 15
    /* 12 */ jump_if(LOCAL[1], 2, 0),            // to 15
    /* 13 */ jump_if(LOCAL[2], 1, 0),            // to 15
    /* 14 */ NO_FAMILY,
    /* 15 */ ALLOW,
    /* 16 */ NO_CALL,
];

/// `BPF_LD | BPF_W | BPF_ABS`: loads a field.
const fn load(offset: u32) -> sock_filter {
    sock_filter { code: 0x20, jt: 0, jf: 0, k: offset }
}

/// `BPF_JMP | BPF_JEQ | BPF_K`: compares what was loaded.
const fn jump_if(value: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code: 0x15, jt: then, jf: otherwise, k: value }
}

/// `BPF_RET | BPF_K`: the decision.
const fn answer(value: u32) -> sock_filter {
    sock_filter { code: 0x06, jt: 0, jf: 0, k: value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel does, on a system call with this first argument.
    fn run(arch: u32, number: u32, argument: u32) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = FILTER[at];
            at += 1;
            match code {
                0x20 => {
                    loaded = match k {
                        ARCH => arch,
                        NUMBER => number,
                        FIRST_ARGUMENT => argument,
                        _ => panic!("field {k}"),
                    }
                }
                0x54 => loaded &= k,
                0x15 => at += usize::from(if loaded == k { jt } else { jf }),
                0x06 => return k,
                _ => panic!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn sockets_are_local_in_every_abi() {
        let (inet, inet6, packet, vsock) = (2, 10, 17, 40);
        for (arch, call) in [(X86_64, SOCKET), (X86_64, SOCKET | X32), (I386, SOCKET_I386)] {
            for family in [inet, inet6, packet, vsock, 0, u32::MAX] {
                assert_eq!(run(arch, call, family), NO_FAMILY.k, "{arch:#x} {call} {family}");
            }
            for family in LOCAL {
                assert_eq!(run(arch, call, family), ALLOW.k, "{arch:#x} {call} {family}");
            }
        }
        assert_eq!(run(I386, SOCKETCALL_I386, 1), NO_FAMILY.k);
        for call in [(X86_64, IO_URING_SETUP), (X86_64, IO_URING_SETUP | X32), (I386, 425)] {
            assert_eq!(run(call.0, call.1, 2), NO_CALL.k);
        }
    }

    #[test]
    fn every_other_call_is_allowed() {
        for arch in [X86_64, I386] {
            for call in (0..600).filter(|call| ![SOCKET, IO_URING_SETUP].contains(call)) {
                let is_socket = arch == I386 && [SOCKET_I386, SOCKETCALL_I386].contains(&call);
                assert!(is_socket || run(arch, call, 2) == ALLOW.k, "{arch:#x} {call}");
            }
        }
        // `socket` has the number of another call in i386, and the other way round.
        assert_eq!(run(I386, SOCKET, 2), ALLOW.k);
        assert_eq!(run(X86_64, SOCKET_I386, 2), ALLOW.k);
    }
}
