//! Options that several commands share, and their resolved values.

mod licensing;
mod machine;
mod network;
mod parts;
mod project;
mod signer;
mod trust;
mod unsuitable;

pub(crate) use self::licensing::Licensing;
pub(crate) use self::machine::{MachineArgs, gpu, read_inventory};

pub(crate) use self::network::{Network, NetworkArgs};
pub(crate) use self::parts::part_size;
pub(crate) use self::project::{Project, ProjectArgs};
pub(crate) use self::signer::{PassphraseArgs, SignerArgs, default_key};
pub(crate) use self::trust::{TrustArgs, default_signers};
pub(crate) use self::unsuitable::UnsuitableArgs;
