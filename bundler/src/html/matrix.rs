//! The page of the compatibility matrix: GPU × driver × kernel, with reasons.

use std::collections::BTreeSet;

use vgpu_manifest::catalog::{Role, State};
use vgpu_manifest::ui::count;
use vgpu_manifest::verdict::{GpuName, Mode, Summary};

use super::Html;
use super::parts::Light;
use crate::matrix::{DriverRow, Group, KernelColumn, Matrix, best};

/// The number of groups up to which their tables are open.
const OPEN: usize = 3;

/// The number of GPUs that are named before the rest is folded.
const SHOWN: usize = 8;

pub(crate) fn matrix(matrix: &Matrix) -> Html {
    let gpus: usize = matrix.groups.iter().map(|group| group.gpus.len()).sum();
    let title = format!("vGPU on {}", count(gpus, "GPU"));
    Html::page("Compatibility", &title, |html| {
        html.put("p", |html| {
            html.prose(
                "GPUs with the same verdicts form a group. The verdicts are those of \
                 `vgpu-bundler catalog why`, for the newest known kernel of each series. Numbers \
                 refer to the reasons below a table.",
            );
        });
        legend(html);
        html.section("Overview", |html| overview(html, matrix));
        let is_short = matrix.groups.len() <= OPEN;
        for (at, group) in matrix.groups.iter().enumerate() {
            let heading = format!("Group {}: {}", at + 1, title_of(group));
            let inside = |html: &mut Html| details(html, matrix, group);
            if is_short {
                html.section(heading, inside);
            } else {
                let gpus = count(group.gpus.len(), "GPU");
                let drivers = count(group.drivers.len(), "driver");
                html.folded(heading, format_args!("{gpus}, {drivers}"), inside);
            }
        }
        if !matrix.unsupported.is_empty() {
            let gpus = count(matrix.unsupported.len(), "GPU");
            html.folded("No vGPU on any of these drivers", gpus, |html| {
                html.text("p", names(&matrix.unsupported));
            });
        }
    })
}

fn legend(html: &mut Html) {
    html.put("p", |html| {
        for (cell, says) in [
            (Summary::Suitable(Mode::Native, State::Settled), "supported by NVIDIA"),
            (Summary::Suitable(Mode::Unlock, State::Settled), "with an unlock library"),
            (Summary::Suitable(Mode::Native, State::Unproven), "not verified"),
        ] {
            verdict(html, cell);
            html.say(format_args!(" {says} "));
        }
        html.light(Light::Bad, "no");
        html.say(" does not work");
    });
}

fn title_of(group: &Group) -> String {
    let first = &group.gpus[0];
    let more = match group.gpus.len() {
        1 => String::new(),
        number => format!(" and {} more", number - 1),
    };
    format!("{}{more} ({})", first.name, group.arch)
}

fn names(gpus: &[GpuName]) -> String {
    gpus.iter().map(|gpu| format!("{} ({})", gpu.name, gpu.id)).collect::<Vec<_>>().join(", ")
}

fn verdict(html: &mut Html, cell: Summary) {
    match cell {
        Summary::Suitable(mode, State::Settled) => html.light(Light::Good, mode),
        Summary::Suitable(mode, State::Unproven) => {
            html.light(Light::Warn, format_args!("{mode}?"));
        }
        Summary::Unsuitable(_) => html.light(Light::Bad, "no"),
    }
}

/// Writes the best verdict of each group on each branch.
fn overview(html: &mut Html, matrix: &Matrix) {
    let rows = matrix.groups.iter().flat_map(|group| &group.drivers);
    let branches: BTreeSet<u8> = rows.map(|row| row.release.branch()).collect();
    html.text("p.quiet", "The best verdict on each branch, over its releases and all kernels.");
    html.put("div.scroll.pinned tabindex=\"0\"", |html| {
        html.put("table", |html| {
            html.put("thead", |html| {
                html.put("tr", |html| {
                    html.text("th scope=\"col\"", "GPUs");
                    for branch in &branches {
                        html.text("th scope=\"col\"", format_args!("vGPU {branch}.x"));
                    }
                });
            });
            html.put("tbody", |html| {
                for (at, group) in matrix.groups.iter().enumerate() {
                    html.put("tr", |html| {
                        html.put("th.wide scope=\"row\"", |html| {
                            html.text("b", format_args!("{}. ", at + 1));
                            html.say(title_of(group));
                        });
                        for branch in &branches {
                            let of = |row: &&DriverRow| row.release.branch() == *branch;
                            let best = best(group.drivers.iter().filter(of));
                            html.put("td.cell", |html| match best {
                                Some((mode, state)) => {
                                    verdict(html, Summary::Suitable(mode, state));
                                }
                                None => html.light(Light::Bad, "no"),
                            });
                        }
                    });
                }
            });
        });
    });
}

fn details(html: &mut Html, matrix: &Matrix, group: &Group) {
    let gpus: Vec<String> =
        group.gpus.iter().map(|gpu| format!("{} ({})", gpu.name, gpu.id)).collect();
    html.put("div.quiet", |html| html.names(&gpus, SHOWN));
    html.put("div.scroll.tall.pinned tabindex=\"0\"", |html| {
        html.put("table", |html| {
            html.put("thead", |html| {
                html.put("tr", |html| {
                    html.text("th scope=\"col\"", "Driver");
                    matrix.kernels.iter().for_each(|kernel| column(html, kernel));
                });
            });
            html.put("tbody", |html| {
                for row in &group.drivers {
                    html.put("tr", |html| driver(html, row));
                }
            });
        });
    });
    if !group.reasons.is_empty() {
        html.text("h3", "Reasons");
        html.put("ol.tight", |html| {
            for says in &group.reasons {
                html.put("li", |html| html.prose(says));
            }
        });
    }
}

fn column(html: &mut Html, kernel: &KernelColumn) {
    html.put("th scope=\"col\"", |html| {
        html.put("div", |html| html.say(format_args!("PVE {}", kernel.pve)));
        html.put("div", |html| html.text("b", kernel.series));
        html.text(
            "div.quiet",
            match kernel.role {
                Role::Default => "default",
                Role::OptIn => "opt-in",
                Role::Stale => "stale",
            },
        );
    });
}

fn driver(html: &mut Html, row: &DriverRow) {
    html.put("th scope=\"row\"", |html| {
        html.text("b", row.release);
        html.put("div.quiet", |html| html.text("code", &row.host));
    });
    for cell in &row.cells {
        html.put("td.cell", |html| {
            verdict(html, cell.verdict);
            if !cell.because.is_empty() {
                let numbers: Vec<_> = cell.because.iter().map(|at| (at + 1).to_string()).collect();
                html.text("span.quiet", format_args!(" {}", numbers.join(", ")));
            }
        });
    }
}
