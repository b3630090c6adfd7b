//! All verdicts of the catalog: GPU × driver × kernel. GPUs with the same verdicts are one row.

use serde::Serialize;
use vgpu_manifest::catalog::{
    ArchitectureId, Catalog, Driver, DriverVersion, Gpu, Kernel, Release,
};
use vgpu_manifest::catalog::{Role, State};
use vgpu_manifest::platform::{KernelRelease, KernelSeries, PveRelease, PveSeries};
use vgpu_manifest::verdict::{Case, GpuName, Mode, Summary, Verdict, describe, judge, summarize};

/// The verdicts on GPUs, drivers and kernels.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Matrix {
    /// The kernels, one for each column.
    pub(crate) kernels: Vec<KernelColumn>,
    /// The GPUs with equal verdicts.
    pub(crate) groups: Vec<Group>,
    /// The GPUs on which no driver supports vGPU.
    pub(crate) unsupported: Vec<GpuName>,
}

/// A kernel series of a release of Proxmox VE.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct KernelColumn {
    /// The release of Proxmox VE.
    pub(crate) pve: PveSeries,
    /// The series of the kernel.
    pub(crate) series: KernelSeries,
    /// The kernel that is judged: the newest recorded one.
    pub(crate) newest: KernelRelease,
    /// The role of the series in that release.
    pub(crate) role: Role,
}

/// GPUs of one architecture with the same verdicts.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Group {
    /// The architecture.
    pub(crate) arch: ArchitectureId,
    /// The GPUs.
    pub(crate) gpus: Vec<GpuName>,
    /// Why drivers do not work, or may not. The sentences hold for each GPU, driver and kernel that
    /// refers to them.
    pub(crate) reasons: Vec<String>,
    /// A row for each driver.
    pub(crate) drivers: Vec<DriverRow>,
}

/// The verdicts on a driver.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct DriverRow {
    /// The release of NVIDIA vGPU.
    pub(crate) release: Release,
    /// The version of the host driver.
    pub(crate) host: DriverVersion,
    /// A verdict for each kernel.
    pub(crate) cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Cell {
    /// The verdict.
    pub(crate) verdict: Summary,
    /// Its reasons, by position in [`Group::reasons`].
    pub(crate) because: Vec<usize>,
}

impl Matrix {
    /// Judges these GPUs with these drivers on every kernel of the catalog.
    pub(crate) fn of<'c>(
        catalog: &'c Catalog,
        gpus: impl Iterator<Item = &'c Gpu>,
        takes: impl Fn(&Driver) -> bool,
    ) -> Self {
        let drivers: Vec<&Driver> = catalog.drivers().iter().filter(|it| takes(it)).collect();
        let kernels: Vec<KernelColumn> = catalog.kernels().iter().map(KernelColumn::of).collect();
        let mut unsupported = Vec::new();
        let mut groups: Vec<(&Gpu, Vec<Summary>, Vec<GpuName>)> = Vec::new();
        for gpu in gpus {
            let Some(name) = catalog.card(gpu.pci_id()).map(describe) else { continue };
            let pairs =
                drivers.iter().flat_map(|driver| kernels.iter().map(move |it| (driver, it)));
            let cell = |(driver, kernel): (&&Driver, &KernelColumn)| {
                summarize(catalog, &kernel.case(gpu, driver.release))
            };
            let cells: Vec<Summary> = pairs.map(cell).collect();
            if cells.iter().all(|cell| matches!(cell, Summary::Unsuitable(_))) {
                unsupported.push(name);
                continue;
            }
            match groups.iter_mut().find(|(it, known, _)| it.arch == gpu.arch && *known == cells) {
                Some((_, _, names)) => names.push(name),
                None => groups.push((gpu, cells, vec![name])),
            }
        }
        groups.sort_by_key(|(_, _, names)| (names[0].arch.clone(), names[0].id));
        let groups = groups.into_iter().map(|(gpu, _, gpus)| {
            let (mut reasons, arch) = (Vec::new(), gpu.arch.clone());
            let row = |driver: &&Driver| DriverRow {
                release: driver.release,
                host: driver.host.clone(),
                cells: kernels
                    .iter()
                    .map(|it| it.cell(catalog, gpu, driver, &mut reasons))
                    .collect(),
            };
            let drivers = drivers.iter().map(row).collect();
            Group { arch, gpus, reasons, drivers }
        });
        Self { groups: groups.collect(), kernels, unsupported }
    }
}

impl KernelColumn {
    fn of(kernel: &Kernel) -> Self {
        let Kernel { pve, series, newest, role, .. } = kernel.clone();
        Self { pve, series, newest, role }
    }

    fn release(&self) -> Option<PveRelease> {
        // No verdict of a table depends on the second number.
        format!("{}.0", self.pve).parse().ok()
    }

    fn case(&self, gpu: &Gpu, driver: Release) -> Case {
        let mut case = Case::new(gpu.pci_id(), driver);
        case.target.pve = self.release();
        case.target.kernel = Some(self.newest.clone());
        case
    }

    /// Judges a driver, and adds its reasons to those of the group.
    fn cell(
        &self,
        catalog: &Catalog,
        gpu: &Gpu,
        driver: &Driver,
        reasons: &mut Vec<String>,
    ) -> Cell {
        let verdict = judge(catalog, &self.case(gpu, driver.release));
        let says: Vec<&str> = match &verdict {
            Verdict::Suitable(it) => it.doubts.iter().map(|it| &*it.statement.says).collect(),
            Verdict::Unsuitable(it) => vec![&it.reason.says],
        };
        let number = |says: &str| {
            let says = self.general(says, gpu, driver);
            reasons.iter().position(|known| *known == says).unwrap_or_else(|| {
                reasons.push(says);
                reasons.len() - 1
            })
        };
        Cell { verdict: verdict.summary(), because: says.into_iter().map(number).collect() }
    }

    /// Rewrites a sentence about one GPU, driver and kernel, so that it holds for others too.
    fn general(&self, says: &str, gpu: &Gpu, driver: &Driver) -> String {
        let release = format!("vGPU {}", driver.release);
        let pve = self.release().map_or_else(String::new, |pve| format!("Proxmox VE {pve}"));
        says.replace(&gpu.name, "this GPU")
            .replace(&format!("{release} ({})", driver.host), "this driver")
            .replace(&release, "this driver")
            .replace("the host driver of this driver", "this driver")
            .replace(self.newest.as_str(), "this kernel")
            .replace("kernel this kernel", "this kernel")
            .replace(&pve, &format!("Proxmox VE {}", self.pve))
    }
}

/// The best verdict on a branch of drivers, over all its releases and kernels.
pub(crate) fn best<'r>(rows: impl Iterator<Item = &'r DriverRow>) -> Option<(Mode, State)> {
    let cells = rows.flat_map(|row| &row.cells).filter_map(|cell| match cell.verdict {
        Summary::Suitable(mode, state) => Some((mode, state)),
        Summary::Unsuitable(_) => None,
    });
    cells.min_by_key(|(mode, state)| (*state == State::Unproven, *mode != Mode::Native))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(names: &[&str]) -> Matrix {
        let catalog = Catalog::embedded();
        let gpus: Vec<_> =
            names.iter().map(|id| catalog.gpu(id.parse().unwrap()).unwrap()).collect();
        Matrix::of(&catalog, gpus.into_iter(), |driver| driver.release.branch() == 16)
    }

    #[test]
    fn equal_gpus_are_one_group_and_every_cell_is_the_verdict() {
        let catalog = Catalog::embedded();
        // Tesla T4, RTX 2080 Ti, RTX 2080 Ti Rev. A, GT 710.
        let matrix = matrix(&["1eb8", "1e04", "1e07", "128b"]);
        assert_eq!(matrix.unsupported.len(), 1);
        let names: Vec<_> = matrix.groups.iter().map(|it| it.gpus.len()).collect();
        assert_eq!(names.iter().sum::<usize>(), 3);
        assert_eq!(names.len(), 2, "{names:?}");
        for group in &matrix.groups {
            for gpu in &group.gpus {
                let gpu = catalog.gpu(gpu.id).unwrap();
                for row in &group.drivers {
                    for (kernel, cell) in matrix.kernels.iter().zip(&row.cells) {
                        let verdict = judge(&catalog, &kernel.case(gpu, row.release));
                        assert_eq!(cell.verdict, verdict.summary());
                    }
                }
            }
        }
    }

    #[test]
    fn whatever_does_not_surely_work_has_a_reason() {
        let matrix = matrix(&["1eb8", "1e07"]);
        for group in &matrix.groups {
            for cell in group.drivers.iter().flat_map(|row| &row.cells) {
                let is_sure = matches!(cell.verdict, Summary::Suitable(_, State::Settled));
                assert_eq!(is_sure, cell.because.is_empty(), "{cell:?}");
                assert!(cell.because.iter().all(|at| *at < group.reasons.len()), "{cell:?}");
            }
            for says in &group.reasons {
                assert!(!says.contains("RTX 2080") && !says.contains("-pve"), "{says}");
                assert!(!says.contains("vGPU 16."), "{says}");
            }
        }
    }
}
