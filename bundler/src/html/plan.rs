//! The page of a plan: its steps, and each file before and after.

use std::collections::BTreeMap;

use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::ui::count;

use super::Html;
use super::parts::Light;
use crate::node::{Act, Change, Entry, FileChange, Plan, PlannedStep};

pub(crate) fn plan(plan: &Plan) -> Html {
    let title = format!("{} {}", plan.bundle.name, plan.bundle.sequence);
    Html::page("Plan", &title, |html| {
        verdict(html, plan);
        let steps = plan.before_reboot.len() + plan.after_reboot.len();
        let is_removed = |file: &&FileChange| file.becomes.is_none();
        let removed = plan.replaces.iter().filter(is_removed).count();
        html.tiles(&[
            (steps, "steps to do"),
            (plan.already_true, "steps in sync"),
            (plan.creates.len(), "new files"),
            (plan.replaces.len() - removed, "replaced files"),
            (removed, "removed files"),
        ]);
        html.facts(|html| identity(html, plan));
        concerns(html, plan);
        html.section("Steps", |html| {
            let (first, second) = (&plan.before_reboot, &plan.after_reboot);
            if second.is_empty() {
                return list(html, first);
            }
            html.text("h3", "Phase 1: before the reboot");
            list(html, first);
            html.text("h3", "Phase 2: after the reboot");
            list(html, second);
        });
        html.section("Files", |html| {
            files(html, "Replaced or removed", &plan.replaces);
            files(html, "New", &plan.creates);
            if plan.replaces.is_empty() && plan.creates.is_empty() {
                html.text("p", "No file is replaced, removed or created.");
            }
            folders(html, plan);
        });
        commands(html, plan);
        html.section("The node when the plan was made", |html| {
            html.facts(|html| node(html, &plan.review.facts));
        });
    })
}

fn verdict(html: &mut Html, plan: &Plan) {
    let steps = plan.before_reboot.len() + plan.after_reboot.len();
    let next = "Nothing is changed yet. `vgpu-installer apply --plan PLAN.json BUNDLE` applies exactly \
                this plan, or nothing if the node has changed since.";
    match (steps, plan.needs_reboot) {
        (0, _) => html.banner(Light::Good, "Nothing to do: everything is in sync", ""),
        (_, true) => {
            let sentence =
                format!("{}, and a reboot to activate all changes", count(steps, "step"));
            html.banner(Light::Warn, sentence, next);
        }
        (_, false) => {
            html.banner(Light::Good, format!("{}, without a reboot", count(steps, "step")), next);
        }
    }
}

fn identity(html: &mut Html, plan: &Plan) {
    let bundle = &plan.bundle;
    html.fact("Bundle", |html| {
        html.say(format_args!("{} {}, channel {}", bundle.name, bundle.sequence, bundle.channel));
    });
    html.fact("Signed by", |html| html.say(bundle.signed_by.join(", ")));
    html.fact("SHA256SUMS", |html| html.text("code", plan.digest));
    if let Some(upstream) = &bundle.upstream {
        let is_whole = upstream.packages == upstream.of;
        html.fact("Packages", |html| {
            let light = if is_whole { Light::Good } else { Light::Warn };
            let (signed, all) = (upstream.packages, upstream.of);
            html.light(light, format_args!("{signed} of {all} signed by their archives"));
        });
    }
}

fn concerns(html: &mut Html, plan: &Plan) {
    let overridden = &plan.review.plan.overridden;
    if !overridden.is_empty() {
        html.section("Overridden with --allow-unsuitable", |html| {
            html.put("ul", |html| {
                for objection in overridden {
                    html.put("li", |html| {
                        html.light(Light::Bad, "overridden");
                        html.prose(format_args!(" {objection}"));
                    });
                }
            });
        });
    }
    if !plan.security.is_empty() {
        html.section("Security-relevant", |html| {
            html.put("ul", |html| {
                for concern in &plan.security {
                    html.put("li", |html| {
                        html.light(Light::Warn, &concern.what);
                        html.say(format_args!(" {}", concern.why));
                    });
                }
            });
        });
    }
}

fn list(html: &mut Html, steps: &[PlannedStep]) {
    if steps.is_empty() {
        return html.text("p", "None.");
    }
    html.put("ol", |html| {
        for step in steps {
            html.put("li", |html| {
                html.prose(&step.summary);
                html.put("div.quiet", |html| html.prose(&step.why));
            });
        }
    });
}

fn files(html: &mut Html, heading: &'static str, files: &[FileChange]) {
    if files.is_empty() {
        return;
    }
    html.text("h3", heading);
    for file in files {
        html.put("article", |html| {
            html.put("h3", |html| {
                match (&file.was, &file.becomes) {
                    (None, _) => html.text("span.tag.good", "+ new"),
                    (_, None) => html.text("span.tag.bad", "− removed"),
                    _ => html.text("span.tag.note", "~ replaced"),
                }
                html.say(" ");
                html.text("code", &file.path);
            });
            html.facts(|html| {
                html.fact("Before", |html| side(html, file.was.as_ref()));
                html.fact("After", |html| side(html, file.becomes.as_ref()));
            });
            if let Some(why) = &file.no_diff {
                html.text("p.quiet", format_args!("Content {why}."));
            }
            if !file.diff.is_empty() {
                html.diff(&file.diff);
            }
        });
    }
}

/// Writes a file as it is on one side of the change.
fn side(html: &mut Html, entry: Option<&Entry>) {
    let Some(entry) = entry else { return html.say("nothing") };
    html.say(entry);
    if let Some(id) = entry.id() {
        html.put("div.quiet", |html| html.text("code", id));
    }
}

/// Writes the directories and paths that have no other mention.
fn folders(html: &mut Html, plan: &Plan) {
    let mut folders = Vec::new();
    for change in &plan.changes {
        match change {
            Change::Put { path, before: None, after: Some(Entry::Dir { .. }) } => {
                folders.push(format!("new directory {path}"));
            }
            Change::Lost { path } => folders.push(format!("changed without a copy: {path}")),
            Change::Put { .. } | Change::Act(_) => {}
        }
    }
    if folders.is_empty() {
        return;
    }
    html.text("h3", "Directories");
    html.put("ul", |html| folders.iter().for_each(|line| html.text("li.path", line)));
}

fn commands(html: &mut Html, plan: &Plan) {
    let acts = || {
        plan.changes
            .iter()
            .filter_map(|it| if let Change::Act(act) = it { Some(act) } else { None })
    };
    let packages: BTreeMap<_, _> = acts()
        .flat_map(|act| if let Act::Packages { before } = act { &before[..] } else { &[] })
        .map(|package| (&package.name, package))
        .collect();
    if !packages.is_empty() {
        html.section("Packages", |html| {
            let head = ["Package", "Before", "After"];
            html.table("div.scroll", &head, packages.values(), |html, package| {
                html.text("th.path scope=\"row\"", &package.name);
                let was = package.was.as_ref().map_or("not installed", |was| &was.version);
                html.text("td.path", was);
                html.text("td.path", &package.becomes);
            });
        });
    }
    let line = |act: &Act| match act {
        Act::Run { command } => Some(command.argv.join(" ")),
        Act::Driver { way, driver } => Some(format!("{way} the driver {}", driver.version)),
        Act::Foreign { version } => {
            let version = version.as_deref().unwrap_or("of an unknown version");
            Some(format!("remove the driver {version}, which vgpu-installer did not install"))
        }
        Act::Packages { .. } => None,
    };
    let lines: Vec<String> = acts().filter_map(line).collect();
    if !lines.is_empty() {
        html.section("Commands", |html| {
            html.put("ul", |html| lines.iter().for_each(|line| html.text("li.path", line)));
        });
    }
}

fn node(html: &mut Html, facts: &Inventory) {
    if let Some(pve) = facts.os.pve {
        html.fact("Proxmox VE", |html| html.say(pve));
    }
    if let Some(kernel) = &facts.kernels.running {
        html.fact("Running kernel", |html| html.text("code", kernel));
    }
    html.fact("Secure Boot", |html| html.say(facts.boot.secure_boot));
    html.fact("GPUs", |html| {
        for gpu in &facts.gpus {
            html.put("div", |html| html.text("code", format_args!("{} {}", gpu.address, gpu.id)));
        }
    });
}
