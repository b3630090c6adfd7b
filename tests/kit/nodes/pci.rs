//! PCI devices, as sysfs shows them.

use std::fmt::Write as _;
use std::io;

use super::Root;

/// A memory BAR.
#[derive(Debug, Clone, Copy)]
pub(super) enum Window {
    /// 32-bit, of this many MiB.
    Low(u64),
    /// 64-bit, of this many MiB.
    High(u64),
    /// 64-bit, and resizable up to the second size, in MiB.
    Resizable(u64, u64),
}

/// A PCI device.
#[derive(Debug, Clone)]
pub(super) struct Device {
    address: String,
    /// The address of the bridge above it.
    behind: Option<&'static str>,
    id: &'static str,
    board: &'static str,
    class: u32,
    driver: Option<&'static str>,
    group: Option<u32>,
    boot_display: bool,
    windows: &'static [Window],
    functions: Option<Functions>,
    files: Vec<(&'static str, &'static str)>,
}

/// The SR-IOV state of a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Functions {
    /// The maximum number of virtual functions.
    pub(super) total: u32,
    /// The current number of virtual functions.
    pub(super) current: u32,
    /// The IOMMU group of the first; the others follow.
    pub(super) first_group: u32,
}

pub(super) const VGA: u32 = 0x03_0000;
pub(super) const GPU_3D: u32 = 0x03_0200;
pub(super) const AUDIO: u32 = 0x04_0300;
pub(super) const BRIDGE: u32 = 0x06_0400;
pub(super) const USB: u32 = 0x0c_0330;
pub(super) const UCSI: u32 = 0x0c_8000;
pub(super) const NETWORK: u32 = 0x02_0000;

impl Device {
    /// Returns a device with ids such as `10de:1eb8`.
    pub(super) fn new(address: &str, id: &'static str, class: u32) -> Self {
        Self {
            address: address.to_owned(),
            behind: None,
            id,
            board: "0000:0000",
            class,
            driver: None,
            group: None,
            boot_display: false,
            windows: &[],
            functions: None,
            files: Vec::new(),
        }
    }

    pub(super) fn behind(self, bridge: &'static str) -> Self {
        Self { behind: Some(bridge), ..self }
    }

    pub(super) fn board(self, board: &'static str) -> Self {
        Self { board, ..self }
    }

    pub(super) fn driver(self, driver: &'static str) -> Self {
        Self { driver: Some(driver), ..self }
    }

    pub(super) fn group(self, group: u32) -> Self {
        Self { group: Some(group), ..self }
    }

    pub(super) fn boot_display(self) -> Self {
        Self { boot_display: true, ..self }
    }

    pub(super) fn windows(self, windows: &'static [Window]) -> Self {
        Self { windows, ..self }
    }

    pub(super) fn functions(self, functions: Functions) -> Self {
        Self { functions: Some(functions), ..self }
    }

    pub(super) fn file(mut self, name: &'static str, content: &'static str) -> Self {
        self.files.push((name, content));
        self
    }

    /// Writes it to sysfs.
    pub(super) fn write(&self, root: &mut Root) -> io::Result<()> {
        let folder = self.folder();
        let put =
            |root: &mut Root, name: &str, text: &str| root.file(&format!("{folder}/{name}"), text);
        let half = |id: &str, n: usize| format!("0x{}\n", id.split(':').nth(n).unwrap_or_default());
        put(root, "vendor", &half(self.id, 0))?;
        put(root, "device", &half(self.id, 1))?;
        put(root, "subsystem_vendor", &half(self.board, 0))?;
        put(root, "subsystem_device", &half(self.board, 1))?;
        put(root, "class", &format!("0x{:06x}\n", self.class))?;
        put(root, "resource", &self.resource())?;
        root.file(&format!("{folder}/config"), self.config())?;
        if self.class == VGA {
            put(root, "boot_vga", if self.boot_display { "1\n" } else { "0\n" })?;
        }
        for (name, text) in &self.files {
            put(root, name, text)?;
        }
        self.write_links(root, &folder)?;
        self.write_functions(root, &folder)
    }

    fn write_links(&self, root: &mut Root, folder: &str) -> io::Result<()> {
        let address = &self.address;
        root.relative_link(&format!("/sys/bus/pci/devices/{address}"), folder)?;
        if let Some(driver) = self.driver {
            let driver = format!("/sys/bus/pci/drivers/{driver}");
            root.relative_link(&format!("{folder}/driver"), &driver)?;
            root.relative_link(&format!("{driver}/{address}"), folder)?;
        }
        if let Some(group) = self.group {
            let group = format!("/sys/kernel/iommu_groups/{group}");
            root.relative_link(&format!("{folder}/iommu_group"), &group)?;
            root.relative_link(&format!("{group}/devices/{address}"), folder)?;
        }
        Ok(())
    }

    fn write_functions(&self, root: &mut Root, folder: &str) -> io::Result<()> {
        let Some(Functions { total, current, first_group }) = self.functions else { return Ok(()) };
        root.file(&format!("{folder}/sriov_totalvfs"), format!("{total}\n"))?;
        root.file(&format!("{folder}/sriov_numvfs"), format!("{current}\n"))?;
        for n in 0..current {
            // The first virtual function is at offset 4, as on real GPUs; eight functions per
            // device.
            let (slot, function) = ((n + 4) / 8, (n + 4) % 8);
            let bus = &self.address[..self.address.len() - 4];
            let address = format!("{bus}{slot:02x}.{function}");
            let this =
                Self { address, group: Some(first_group + n), functions: None, ..self.clone() };
            let this = this.windows(&[]).file("nvidia/creatable_vgpu_types", "1 : stand-in\n");
            this.write(root)?;
            root.relative_link(&format!("{}/physfn", this.folder()), folder)?;
            root.relative_link(&format!("{folder}/virtfn{n}"), &this.folder())?;
        }
        Ok(())
    }

    /// Returns its folder, below that of the bridge or of the bus.
    fn folder(&self) -> String {
        let top = self.behind.unwrap_or(&self.address);
        let bridge = self.behind.map(|bridge| format!("/{bridge}")).unwrap_or_default();
        format!("/sys/devices/pci{}{bridge}/{}", &top[..7], self.address)
    }

    fn resource(&self) -> String {
        let mut lines = String::new();
        let mut line = |start: u64, mib: u64, flags: u64| {
            let end = if mib == 0 { 0 } else { start + (mib << 20) - 1 };
            // Writing to a `String` cannot fail.
            let _ = writeln!(lines, "0x{start:016x} 0x{end:016x} 0x{flags:016x}");
        };
        let mut count = 0;
        for window in self.windows {
            match window {
                Window::Low(mib) => line(0xfb00_0000, *mib, 0x4_0200),
                Window::High(mib) | Window::Resizable(mib, _) => {
                    line(0x38_0000_0000, *mib, 0x14_220c);
                    line(0, 0, 0);
                    count += 1;
                }
            }
            count += 1;
        }
        for _ in count..13 {
            line(0, 0, 0);
        }
        lines
    }

    /// Returns the configuration space, which is zero except for the capability "Resizable BAR".
    fn config(&self) -> Vec<u8> {
        let mut config = vec![0; 4096];
        let mut index = 0;
        for window in self.windows {
            if let Window::Resizable(now, most) = window {
                let sizes =
                    (now.ilog2()..=most.ilog2()).fold(0u32, |bits, bit| bits | 1 << (bit + 4));
                let words = [0x0001_0015, sizes, index | 1 << 5 | now.ilog2() << 8];
                let bytes = words.into_iter().flat_map(u32::to_le_bytes);
                config.splice(0x100..0x10c, bytes);
            }
            index += if matches!(window, Window::Low(_)) { 1 } else { 2 };
        }
        config
    }
}
