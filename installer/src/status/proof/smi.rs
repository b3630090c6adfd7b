//! The output of `nvidia-smi vgpu`.

use vgpu_manifest::platform::PciAddress;

use super::Finding;
use super::expected::Cards;
use crate::host::{Command, HostError, Look, Output};

/// The parsed output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Smi {
    /// A driver with vGPU-capable GPUs.
    Table {
        /// The driver version from the table's first line.
        version: String,
        /// The GPUs in the order of the table.
        gpus: Vec<SmiGpu>,
    },
    /// A driver without natively supported GPUs.
    NoDevices,
    /// No driver.
    NoDriver,
    /// Other output; its first line.
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SmiGpu {
    /// The name; long names are truncated with dots.
    pub(super) name: String,
    /// The PCI address.
    pub(super) address: PciAddress,
}

impl Smi {
    /// Parses the output.
    pub(super) fn parse(text: &str) -> Self {
        if text.contains("couldn't communicate with the NVIDIA driver") {
            return Self::NoDriver;
        }
        if text.contains("No supported devices in vGPU mode") {
            return Self::NoDevices;
        }
        let version = text.lines().find_map(|line| line.split_once("Driver Version:"));
        let Some(version) = version.and_then(|(_, rest)| rest.split_whitespace().next()) else {
            let first = text.lines().map(str::trim).find(|line| !line.is_empty());
            return Self::Other(first.unwrap_or("nothing").to_owned());
        };
        Self::Table { version: version.to_owned(), gpus: text.lines().filter_map(gpu).collect() }
    }
}

/// Parses `|   0  NVIDIA A40                 | 00000000:81:00.0             |   0%       |`. The
/// line of a vGPU has a number instead of an address in the second column.
fn gpu(line: &str) -> Option<SmiGpu> {
    let mut columns = line.trim().strip_prefix('|')?.split('|').map(str::trim);
    let (number, name) = columns.next()?.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let address = address(columns.next()?)?;
    Some(SmiGpu { name: name.trim().to_owned(), address })
}

/// Parses an address with an eight-digit domain, such as `00000000:81:00.0`.
fn address(text: &str) -> Option<PciAddress> {
    let text = text.to_ascii_lowercase();
    let short = text.strip_prefix("0000").filter(|rest| rest.find(':') == Some(4));
    short.unwrap_or(&text).parse().ok()
}

/// Checks the tool. `loaded` is the finding on the module: where it is missing, the tool cannot work
/// either, and the next step is the same.
pub(super) fn check(
    look: &dyn Look,
    version: &str,
    cards: Cards,
    loaded: &Finding,
) -> Result<Finding, HostError> {
    let output = match look.query(&Command::new("nvidia-smi", &["vgpu"])) {
        Err(HostError::Start { .. }) => {
            return Ok(Finding::missing(
                "nvidia-smi is missing",
                "apply the bundle again to reinstall the driver",
            ));
        }
        Err(error) => return Err(error),
        Ok(None) => return Ok(Finding::no_commands()),
        Ok(Some(output)) => output,
    };
    let smi = Smi::parse(&text_of(&output));
    Ok(match (judge(&smi, version, cards), loaded) {
        (Finding::Missing { reason, .. }, Finding::Missing { remedy, .. })
            if smi == Smi::NoDriver =>
        {
            Finding::missing(reason, remedy)
        }
        (finding, _) => finding,
    })
}

/// Errors appear on either stream.
fn text_of(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).join("\n")
}

fn judge(smi: &Smi, version: &str, cards: Cards) -> Finding {
    match smi {
        Smi::Table { version: other, .. } if other != version => Finding::missing(
            format!("nvidia-smi reaches driver {other}, but {version} is installed"),
            "reboot to load the new one",
        ),
        Smi::Table { gpus, .. } if gpus.is_empty() => Finding::missing(
            format!("nvidia-smi reaches driver {version} but lists no vGPU-capable GPU"),
            "check the kernel log: `dmesg`",
        ),
        Smi::Table { gpus, .. } => {
            let gpu = |gpu: &SmiGpu| format!("{} at {}", gpu.name, gpu.address);
            let gpus: Vec<_> = gpus.iter().map(gpu).collect();
            Finding::good(format!("driver {version}: {}", gpus.join(", ")))
        }
        // Only the daemons load the unlock library, so the tool sees the unmodified GPU.
        Smi::NoDevices if cards == Cards::Unlocked => {
            Finding::good("it reaches the driver; it never shows that a GPU is unlocked")
        }
        Smi::NoDevices => Finding::missing(
            "nvidia-smi lists no vGPU-capable GPU",
            "check whether the GPU is in display mode, and the kernel log: `dmesg`",
        ),
        Smi::NoDriver => Finding::missing(
            "nvidia-smi cannot reach the driver",
            "load it and check the kernel log: `modprobe nvidia`, `dmesg`",
        ),
        Smi::Other(line) => Finding::missing(
            format!("unknown output of nvidia-smi: {line}"),
            "run `nvidia-smi vgpu`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// In the format of the NVIDIA vGPU user guide.
    pub(super) const TABLE: &str = "\
Thu Nov 26 00:40:00 2026
+---------------------------------------------------------------------------+
| NVIDIA-SMI 550.163.02               Driver Version: 550.163.02            |
|---------------------------------+----------------------------+------------+
| GPU  Name                       | Bus-Id                     | GPU-Util   |
|      vGPU ID     Name           | VM ID     VM Name          | vGPU-Util  |
|=================================+============================+============|
|   0  NVIDIA A40                 | 00000000:81:00.0           |   0%       |
|      3251634213  NVIDIA A40-8Q  | 0000  guest,debug-threa... |   0%       |
+---------------------------------+----------------------------+------------+
|   1  NVIDIA GeForce RTX 208...  | 00000001:C1:00.0           |   3%       |
+---------------------------------+----------------------------+------------+
";

    #[test]
    fn a_table_has_a_version_and_gpus() {
        let Smi::Table { version, gpus } = Smi::parse(TABLE) else { panic!() };
        assert_eq!(version, "550.163.02");
        let told: Vec<_> = gpus.iter().map(|gpu| format!("{} {}", gpu.name, gpu.address)).collect();
        assert_eq!(told, ["NVIDIA A40 0000:81:00.0", "NVIDIA GeForce RTX 208... 0001:c1:00.0"]);
    }

    #[test]
    fn complaints_are_told_apart() {
        for (text, smi) in [
            ("No supported devices in vGPU mode\n", Smi::NoDevices),
            (
                "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make \
                 sure that the latest NVIDIA driver is installed and running.\n",
                Smi::NoDriver,
            ),
            (
                "\n  Failed to initialize NVML: odd\n",
                Smi::Other("Failed to initialize NVML: odd".to_owned()),
            ),
            ("", Smi::Other("nothing".to_owned())),
        ] {
            assert_eq!(Smi::parse(text), smi);
        }
    }

    #[test]
    fn the_output_is_judged_by_what_was_installed() {
        let judged = |text: &str, version, cards| judge(&Smi::parse(text), version, cards);
        assert!(!judged(TABLE, "550.163.02", Cards::Native).is_missing());
        assert!(judged(TABLE, "535.230.02", Cards::Native).is_missing());
        let none = "No supported devices in vGPU mode";
        assert!(judged(none, "1.2", Cards::Native).is_missing());
        assert!(!judged(none, "1.2", Cards::Unlocked).is_missing());
        let empty = "| NVIDIA-SMI 1.2   Driver Version: 1.2  |\n";
        assert!(judged(empty, "1.2", Cards::Unlocked).is_missing());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\|? {0,3}[0-9]{0,3} [ A-Z|:.0]{0,30}\n|Driver Version: ?\\PC{0,9}\n|\\PC{0,20}\n){0,5}") {
            let _ = judge(&Smi::parse(&text), "1", Cards::Native);
        }
    }
}
