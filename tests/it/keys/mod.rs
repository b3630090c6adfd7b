//! The guarantees of the crate, tested against the real `ssh-keygen`, `ssh-agent` and `ssh-add`,
//! and against attackers.

mod agent;
mod armor;
pub(crate) mod authenticator;
mod judge;
mod key_files;
mod openssh;
mod policies;
mod properties;
mod security_key;
mod sshsig;
mod succession;
mod support;
