//! What the crate promises, against the real `ssh-keygen`, `ssh-agent` and `ssh-add`, and against
//! whoever would like to be trusted.

mod agent;
mod armor;
mod judge;
mod key_files;
mod openssh;
mod properties;
mod sshsig;
mod succession;
mod support;
