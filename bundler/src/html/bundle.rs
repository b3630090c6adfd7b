//! The page of a bundle: signatures, items with their origins, and the changes that it wants.

use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Bundle, Item, Manifest, Verified};

use super::Html;
use super::parts::Light;
use crate::contents::{Facts, kind, records, wants};

pub(crate) fn bundle(bundle: &Bundle<Verified>) -> Html {
    let (facts, manifest) = (Facts::of(bundle), bundle.manifest());
    let title = format!("{} {}", facts.name, facts.sequence);
    Html::page("Bundle", &title, |html| {
        let who: Vec<&str> = facts.signed_by.iter().map(|who| who.as_str()).collect();
        html.banner(
            Light::Good,
            format_args!("Signed by {}", who.join(", ")),
            "The signatures, the list of contents and the manifest were verified. The payload was \
             not read: `vgpu-bundler verify` does that.",
        );
        html.tiles(&[
            (manifest.items.len(), "items"),
            (manifest.archives.len(), "package archives"),
            (manifest.proofs.len(), "kernels built on the laptop"),
            (facts.signed_by.len(), "signatures that count"),
        ]);
        html.facts(|html| identity(html, &facts, manifest));
        html.section("Signatures", |html| signatures(html, &facts));
        html.section("Items", |html| items(html, manifest));
        for (heading, lines) in ["Drivers", "Images"].into_iter().zip(records(manifest)) {
            if !lines.is_empty() {
                html.section(heading, |html| list(html, &lines));
            }
        }
        if !manifest.archives.is_empty() {
            html.section("Package archives", |html| archives(html, manifest));
        }
        let wants = wants(manifest);
        if !wants.is_empty() {
            html.section("Changes of the host", |html| list(html, &wants));
        }
        if !manifest.proofs.is_empty() {
            let proofs: Vec<_> = manifest.proofs.iter().map(ToString::to_string).collect();
            html.section("Builds on the laptop", |html| list(html, &proofs));
        }
    })
}

fn identity(html: &mut Html, facts: &Facts<'_>, manifest: &Manifest) {
    html.fact("Channel", |html| html.say(facts.channel));
    html.fact("Sequence", |html| html.say(facts.sequence));
    html.fact("Size", |html| html.say(ByteSize::new(facts.total_size)));
    html.fact("SHA256SUMS", |html| html.text("code", facts.digest));
    html.fact("Made by", |html| html.say(format_args!("vgpu-bundler {}", manifest.made_by)));
    if let Some(targets) = manifest.purpose.as_ref().map(|purpose| &purpose.targets) {
        html.fact("Made for", |html| {
            let gpus: Vec<_> = targets.gpu.iter().map(ToString::to_string).collect();
            html.say(format_args!("GPU {}, vGPU {}", gpus.join(", "), targets.driver));
            if let Some(pve) = targets.pve {
                html.say(format_args!(", Proxmox VE {pve}"));
            }
            if let Some(kernel) = &targets.kernel {
                html.say(format_args!(", kernel {kernel}"));
            }
        });
    }
    if !facts.policies.is_empty() {
        html.fact("Brings policies", |html| {
            let versions: Vec<_> = facts.policies.iter().map(ToString::to_string).collect();
            html.say(versions.join(", "));
        });
    }
}

fn signatures(html: &mut Html, facts: &Facts<'_>) {
    let who: Vec<&str> = facts.signed_by.iter().map(|who| who.as_str()).collect();
    html.put("ul", |html| {
        html.put("li", |html| {
            html.light(Light::Good, "counts");
            html.say(format_args!(" {}", who.join(", ")));
            for key in &facts.keys {
                html.put("div", |html| html.text("code", key));
            }
        });
        for other in &facts.not_counted {
            html.put("li", |html| {
                html.light(Light::Warn, "does not count");
                html.say(" ");
                html.text("code", other);
            });
        }
    });
}

fn items(html: &mut Html, manifest: &Manifest) {
    let head = ["Item", "Kind", "Size", "Mode", "Origin", "SHA-256"];
    html.table("div.scroll", &head, &manifest.items, |html, item: &Item| {
        html.text("th.path scope=\"row\"", item.name());
        html.text("td", kind(item));
        html.text("td.num", ByteSize::new(item.size()));
        html.text("td.path.cell", format_args!("{:04o}", item.mode().bits()));
        html.text("td.wide", item.origin());
        html.put("td.wide", |html| html.text("code", item.sha256()));
    });
}

fn archives(html: &mut Html, manifest: &Manifest) {
    let head = ["Archive", "Release", "Signed by", "Full index"];
    html.table("div.scroll", &head, &manifest.archives, |html, archive| {
        html.text("th scope=\"row\"", &archive.name);
        html.text("td", &archive.codename);
        html.put("td.wide", |html| html.text("code", &archive.signed_by));
        html.text("td", if archive.indexes.is_empty() { "no" } else { "yes" });
    });
}

/// Writes lines; those that begin with blanks belong to the one above.
fn list(html: &mut Html, lines: &[String]) {
    html.put("ul", |html| {
        let mut rest = lines;
        while let Some((first, more)) = rest.split_first() {
            let inner = more.iter().take_while(|line| line.starts_with(' ')).count();
            html.put("li", |html| {
                html.prose(first);
                for line in &more[..inner] {
                    html.text("div.quiet", line.trim_start());
                }
            });
            rest = &more[inner..];
        }
    });
}
