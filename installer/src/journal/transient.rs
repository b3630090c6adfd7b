use crate::host::{Command, Door, Host, HostError};

/// Runs a command whose effect ends with the current boot, so that there is nothing to record: it
/// starts or stops a service, or creates virtual functions.
pub(crate) fn run_transient(host: &mut dyn Host, command: &Command) -> Result<(), HostError> {
    Door::open(host).run(command)
}
