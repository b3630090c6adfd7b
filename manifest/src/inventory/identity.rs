use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Label;
use crate::platform::PciAddress;

/// Who the node is. Written only when the operator asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identity {
    /// What the node calls itself.
    pub host_name: Option<Label>,
    /// The serial number of the machine.
    pub machine_serial: Option<Label>,
    /// The serial number of its board.
    pub board_serial: Option<Label>,
    /// The UUIDs of GPUs that NVIDIA's driver has.
    pub gpu_uuids: BTreeMap<PciAddress, Label>,
}
