//! The guarantees of the crate, tested against the real `ssh-keygen`, `ssh-agent` and `ssh-add`,
//! and against attackers.

mod agent;
mod armor;
mod judge;
mod key_files;
mod openssh;
mod properties;
mod sshsig;
mod succession;
mod support;
