//! Virtual machines without a network card that really boot: firmware, boot loader, kernel, systemd.
//!
//! They are emulated, because KVM inside a virtual machine may be present and hang. QEMU is that of
//! Debian 13, the first one with an SR-IOV device, started from a cached root, so that nothing is
//! installed on the machine that runs the tests.
//!
//! A test talks to the system inside through an agent on a virtio port ([`Machine::run`]), plugs sticks
//! in ([`Stick`]), cuts the power ([`Machine::cut`]), and reads the disk from outside
//! ([`Disk::tree`]).

#![expect(clippy::missing_panics_doc, reason = "a machine that does not work fails the test")]

mod disk;
mod emulator;
mod firmware;
mod ids;
mod machine;
mod qmp;
mod scene;
mod screen;
mod stick;

pub use self::disk::{Disk, Tree};
pub use self::emulator::{Boot, Emulator, Gpu, Hardware};
pub use self::firmware::Firmware;
pub use self::machine::{Answer, Machine};
pub use self::scene::{Seen, Vm, tools};
pub use self::stick::Stick;
