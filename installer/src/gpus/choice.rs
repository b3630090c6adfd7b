use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::ParseTextError;
use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::platform::{PciAddress, PciId};

/// The operator's choice of GPUs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct GpuChoice {
    /// GPU to use for vGPU, by PCI address (default: all that the bundle targets).
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) vgpu: Vec<PciAddress>,
    /// GPU to pass through to a guest, by PCI address; `others` selects all NVIDIA GPUs not used for
    /// vGPU.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) passthrough: Vec<Which>,
    /// Device that the host may lose because it shares the IOMMU group of a passthrough GPU.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) give_up: Vec<PciAddress>,
    /// How to handle an NVIDIA driver installed by something else. Without this option such a host is
    /// refused.
    #[arg(long, value_enum, value_name = "WHAT")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) foreign_driver: Option<Foreign>,
    /// Apply the bundle even if it does not fit this node. `status` and `report` then show the
    /// overridden objections.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) allow_unsuitable: bool,
}

/// The handling of a driver that this program did not install.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Foreign {
    /// Remove it with its own uninstaller before the bundle's driver is installed. A revert does not
    /// reinstall it.
    Remove,
}

/// A selection of GPUs for passthrough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub(crate) enum Which {
    /// The GPU at this address.
    At(PciAddress),
    /// All GPUs that do not serve vGPUs.
    Others,
}

/// The text is neither an address nor `others`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}, or `others`")]
pub(crate) struct ParseWhichError(ParseTextError);

impl From<Which> for String {
    fn from(which: Which) -> Self {
        match which {
            Which::At(address) => address.to_string(),
            Which::Others => "others".to_owned(),
        }
    }
}

impl TryFrom<String> for Which {
    type Error = ParseWhichError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Which {
    type Err = ParseWhichError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "others" => Ok(Self::Others),
            address => address.parse().map(Self::At).map_err(ParseWhichError),
        }
    }
}

impl GpuChoice {
    /// Checks whether the operator selected an NVIDIA GPU for vGPU, or left the choice open.
    #[must_use]
    pub(crate) fn may_serve(&self, address: PciAddress) -> bool {
        let given_away = self.passthrough.contains(&Which::At(address));
        !given_away && (self.vgpu.is_empty() || self.vgpu.contains(&address))
    }

    /// Returns the GPUs to use for vGPU, of those that a driver supports.
    #[must_use]
    pub(crate) fn serving(
        &self,
        able: &BTreeSet<PciAddress>,
        gpus: &[Gpu],
    ) -> BTreeSet<PciAddress> {
        let given_away = self.given_away(gpus);
        let mut serving = able.clone();
        serving.retain(|address| self.may_serve(*address) && !given_away.contains(address));
        serving
    }

    /// Returns the addresses of the GPUs for passthrough, in ascending order.
    #[must_use]
    pub(crate) fn given_away(&self, gpus: &[Gpu]) -> BTreeSet<PciAddress> {
        let mut addresses = BTreeSet::new();
        for which in &self.passthrough {
            match which {
                Which::At(address) => {
                    addresses.insert(*address);
                }
                Which::Others => {
                    let nvidia = gpus.iter().filter(|gpu| gpu.id.vendor() == PciId::NVIDIA);
                    let others = nvidia.filter(|gpu| !self.vgpu.contains(&gpu.address));
                    addresses.extend(others.map(|gpu| gpu.address));
                }
            }
        }
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_named_by_its_address_or_is_one_of_the_others() {
        assert_eq!("others".parse(), Ok(Which::Others));
        let address = "0000:81:00.0".parse().unwrap();
        assert_eq!("0000:81:00.0".parse(), Ok(Which::At(address)));
        let error = "other".parse::<Which>().unwrap_err().to_string();
        assert!(error.ends_with("or `others`"), "{error}");
    }

    #[test]
    fn what_is_given_away_does_not_serve() {
        let [a, b]: [PciAddress; 2] = ["0000:41:00.0", "0000:81:00.0"].map(|a| a.parse().unwrap());
        let open = GpuChoice { passthrough: vec![Which::At(a)], ..GpuChoice::default() };
        assert!(!open.may_serve(a) && open.may_serve(b));
        let named = GpuChoice { vgpu: vec![a], ..GpuChoice::default() };
        assert!(named.may_serve(a) && !named.may_serve(b));
        assert_eq!(GpuChoice::default().serving(&[a, b].into(), &[]), [a, b].into());
        assert_eq!(open.serving(&[a, b].into(), &[]), [b].into());
        assert_eq!(named.serving(&[a, b].into(), &[]), [a].into());
    }
}
