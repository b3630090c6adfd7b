//! The page of a report: what was verified and changed on a node, with a light for each.

use super::Html;
use super::parts::Light;
use crate::fleet::{Report, Signed};
use crate::node::{Applied, Becomes, ChangedPath, Finding, HostState, NodeState, Proof, StepState};

pub(crate) fn report(report: &Report) -> anyhow::Result<Html> {
    let state: NodeState = report.comparable()?;
    let proof: Option<Proof> = report.proof()?;
    Ok(Html::page("Report", &report.node, |html| {
        verdict(html, &state);
        html.facts(|html| identity(html, report, &state));
        html.section("Verified", |html| verified(html, report, &state));
        checks(html, &state, proof.as_ref());
        if let Some(applied) = &state.applied {
            html.section("Steps", |html| steps(html, applied));
            html.section("Changed files", |html| paths(html, &applied.changes));
            packages(html, applied);
        }
        html.section("The node", |html| html.facts(|html| node(html, &state)));
    }))
}

fn verdict(html: &mut Html, state: &NodeState) {
    let (light, sentence, more) = match state.state {
        HostState::Nothing => (Light::Off, "Nothing is applied", ""),
        HostState::InSync if state.reboot_pending => (
            Light::Warn,
            "Everything is in sync, and a reboot is pending",
            "The checks of the driver run after the reboot.",
        ),
        HostState::InSync => (Light::Good, "Everything is in sync", ""),
        HostState::Pending => (
            Light::Warn,
            "Phase 1 is done, and phase 2 waits for the reboot",
            "Reboot the node; the installation then resumes.",
        ),
        HostState::Drifted => (
            Light::Bad,
            "The node has drifted",
            "The lights below show where. `vgpu-installer apply` restores the applied state.",
        ),
        HostState::Interrupted => (
            Light::Bad,
            "An apply, a removal or a revert was interrupted",
            "Run the same command again on the node.",
        ),
        HostState::Failed => (
            Light::Bad,
            "Derived state or the automatic resume has failed",
            "`vgpu-installer status` on the node has the details.",
        ),
        HostState::Running => {
            (Light::Warn, "A run was changing the node", "Write the report again when it is done.")
        }
    };
    html.banner(light, sentence, more);
}

fn identity(html: &mut Html, report: &Report, state: &NodeState) {
    html.fact("Digest", |html| html.text("code", report.digest));
    if let Some(written) = &report.written {
        html.fact("Written", |html| html.say(format_args!("{written}, by the node's clock")));
    }
    html.fact("Program", |html| html.say(format_args!("vgpu-installer {}", state.program)));
    match state.applied.as_ref().map(|applied| (&applied.bundle, &applied.digest)) {
        Some((Some(known), digest)) => html.fact("Bundle", |html| {
            let (name, sequence) = (&known.name, known.sequence);
            html.say(format_args!("{name} {sequence}, channel {}", known.channel));
            html.put("div.quiet", |html| html.text("code", digest));
        }),
        Some((None, digest)) => html.fact("Bundle", |html| html.text("code", digest)),
        None => html.fact("Bundle", |html| html.say("none")),
    }
    if state.earlier > 0 {
        html.fact("Earlier bundles", |html| html.say(state.earlier));
    }
}

fn row(
    html: &mut Html,
    light: Light,
    word: &'static str,
    what: &str,
    says: impl FnOnce(&mut Html),
) {
    html.put("tr", |html| {
        html.put("td.cell", |html| html.light(light, word));
        html.text("th scope=\"row\"", what);
        html.put("td.wide", says);
    });
}

fn verified(html: &mut Html, report: &Report, state: &NodeState) {
    html.lights(|html| {
        row(html, Light::Good, "verified", "Digest of the report", |html| {
            html.say("matches the facts of the report");
        });
        match &report.signed {
            Signed::By(who) => {
                row(html, Light::Good, "verified", "Signature of the report", |html| {
                    html.say(format_args!("by {who}"));
                });
            }
            Signed::Unknown(key) => {
                row(html, Light::Warn, "unknown key", "Signature of the report", |html| {
                    html.text("code", key.fingerprint());
                });
            }
            Signed::No => row(html, Light::Off, "not signed", "Signature of the report", |html| {
                html.say("nothing shows which machine wrote it");
            }),
        }
        let Some(known) = state.applied.as_ref().and_then(|applied| applied.bundle.as_ref()) else {
            return;
        };
        let (light, word) = match known.signed_by.len() {
            0 => (Light::Warn, "not recorded"),
            _ => (Light::Good, "verified"),
        };
        row(html, light, word, "Signatures of the bundle", |html| {
            html.say(known.signed_by.join(", "));
        });
        if let Some(upstream) = &known.upstream {
            let is_whole = upstream.packages == upstream.of;
            let light = if is_whole { Light::Good } else { Light::Warn };
            row(html, light, if is_whole { "verified" } else { "partly" }, "Packages", |html| {
                let (signed, all) = (upstream.packages, upstream.of);
                html.say(format_args!("{signed} of {all} are signed by their archives"));
            });
        }
    });
}

fn checks(html: &mut Html, state: &NodeState, proof: Option<&Proof>) {
    let has_fit = state.fit.is_some();
    if !has_fit && proof.is_none() {
        return;
    }
    html.section("Checks of the driver", |html| {
        html.lights(|html| {
            fit(html, state);
            for found in proof.iter().flat_map(|proof| &proof.findings) {
                let name = name_of(&found.check);
                match &found.finding {
                    Finding::Good { says } => {
                        row(html, Light::Good, "good", &name, |html| html.say(says));
                    }
                    Finding::Missing { reason, remedy } => {
                        row(html, Light::Bad, "missing", &name, |html| {
                            html.prose(reason);
                            html.put("div.quiet", |html| {
                                html.prose(format_args!("Next step: {remedy}"));
                            });
                        });
                    }
                    Finding::NotAsked { why } => {
                        row(html, Light::Off, "not checked", &name, |html| html.say(why));
                    }
                }
            }
        });
        let types = proof.map_or(&[][..], |proof| &proof.types);
        if !types.is_empty() {
            html.text("h3", "vGPU types");
            let head = ["GPU", "Type", "Name", "Framebuffer", "Available"];
            html.table("div.scroll", &head, types, |html, it| {
                html.text("th.path scope=\"row\"", &it.gpu);
                html.text("td", format_args!("nvidia-{}", it.id));
                html.text("td", &it.name);
                html.text("td", it.framebuffer.as_deref().unwrap_or("unknown"));
                html.text("td.num", it.available);
            });
        }
    });
}

/// Returns the name of a check, as `vgpu-installer status` has it.
fn name_of(check: &str) -> String {
    match check {
        "tool" => "nvidia-smi".to_owned(),
        "functions" => "virtual functions".to_owned(),
        "types" => "vGPU types".to_owned(),
        check => check.replace('-', " "),
    }
}

/// Writes the judgement of the bundle on the node as it is now.
fn fit(html: &mut Html, state: &NodeState) {
    let Some(fit) = &state.fit else { return };
    if fit.objections.is_empty() {
        return row(html, Light::Good, "fits", "bundle", |html| {
            let [driver, kernel] =
                [&fit.driver, &fit.kernel].map(|it| it.as_deref().unwrap_or("unknown"));
            html.say(format_args!("vGPU {driver} on kernel {kernel}, which boots next"));
        });
    }
    let overridden = state.applied.as_ref().map_or(&[][..], |applied| &applied.overridden);
    for objection in &fit.objections {
        let (light, word) = if overridden.contains(objection) {
            (Light::Warn, "overridden")
        } else {
            (Light::Bad, "does not fit")
        };
        row(html, light, word, "bundle", |html| html.prose(objection));
    }
}

fn steps(html: &mut Html, applied: &Applied) {
    html.lights(|html| {
        for step in &applied.steps {
            let (light, word) = match step.state {
                StepState::InSync => (Light::Good, "in sync"),
                StepState::Pending => (Light::Warn, "pending"),
                StepState::Drifted => (Light::Bad, "drifted"),
            };
            html.put("tr", |html| {
                html.put("td.cell", |html| html.light(light, word));
                html.put("td.wide", |html| html.prose(&step.summary));
            });
        }
    });
    if !applied.removed.is_empty() {
        let removed = applied.removed.join(", ");
        html.text("p.quiet", format_args!("Removed later, on purpose: {removed}."));
    }
}

fn paths(html: &mut Html, changes: &[ChangedPath]) {
    // Drift first.
    let (drifted, rest): (Vec<_>, Vec<_>) = changes.iter().partition(|it| it.is.is_some());
    let head = ["State", "Path", "Applied"];
    html.table("div.scroll", &head, drifted.into_iter().chain(rest), |html, change| {
        html.put("td.cell", |html| match &change.is {
            Some(_) => html.light(Light::Bad, "drifted"),
            None => html.light(Light::Good, "in sync"),
        });
        html.text("th.path.wide scope=\"row\"", &change.path);
        html.put("td.wide", |html| {
            side(html, &change.becomes);
            if let Some(is) = &change.is {
                html.put("div", |html| {
                    html.text("b", "now: ");
                    side(html, is);
                });
            }
        });
    });
}

fn side(html: &mut Html, becomes: &Becomes) {
    html.say(becomes);
    if let Becomes::Node(entry) = becomes
        && let Some(id) = entry.id()
    {
        html.put("div.quiet", |html| html.text("code", id));
    }
}

fn packages(html: &mut Html, applied: &Applied) {
    if !applied.packages.is_empty() {
        html.section("Packages", |html| {
            let head = ["Package", "Version", "State"];
            html.table("div.scroll", &head, &applied.packages, |html, package| {
                html.text("th.path scope=\"row\"", &package.package);
                let is = package.is.as_ref();
                html.text("td.path", is.map_or("–", |is| &is.version));
                html.put("td", |html| match is {
                    Some(is) if is.state == "installed" => html.light(Light::Good, "installed"),
                    Some(is) => html.light(Light::Warn, &is.state),
                    None => html.light(Light::Bad, "missing"),
                });
            });
        });
    }
    if !applied.modules.is_empty() {
        html.section("DKMS modules", |html| {
            let head = ["Module", "State"];
            html.table("div.scroll", &head, &applied.modules, |html, module| {
                html.text("th.path scope=\"row\"", &module.name);
                let is_good = module.state == "installed";
                let light = if is_good { Light::Good } else { Light::Warn };
                html.put("td", |html| html.light(light, &module.state));
            });
        });
    }
}

fn node(html: &mut Html, state: &NodeState) {
    let machine = &state.machine;
    for (name, value) in [("Proxmox VE", &machine.os.pve), ("Debian", &machine.os.debian)] {
        if let Some(value) = value {
            html.fact(name, |html| html.say(value));
        }
    }
    if let Some(kernel) = &machine.kernel {
        html.fact("Running kernel", |html| html.text("code", kernel));
    }
    if let Some(loader) = &machine.boot_loader {
        html.fact("Boot loader", |html| html.say(loader));
    }
    html.fact("Secure Boot", |html| html.say(&machine.secure_boot));
    html.fact("GPUs", |html| {
        machine.gpus.iter().for_each(|gpu| html.put("div", |html| html.text("code", gpu)));
    });
    let Some(trust) = &state.trust else { return };
    html.fact("Policy", |html| {
        let (version, threshold) = (trust.version, trust.threshold);
        html.say(format_args!("version {version}, {threshold} required, channels "));
        html.say(trust.channels.join(", "));
    });
    html.fact("Trusted signers", |html| {
        trust.signers.iter().for_each(|line| html.put("div", |html| html.text("code", line)));
    });
    if !trust.revoked.is_empty() {
        html.fact("Revoked keys", |html| {
            trust.revoked.iter().for_each(|key| html.put("div", |html| html.text("code", key)));
        });
    }
}
