//! The policies of nodes: written and signed on laptops, carried by bundles.

mod edit;
mod show;
mod sign;

#[cfg(feature = "schema")]
pub(crate) use self::show::Shown;
#[cfg(feature = "schema")]
pub(crate) use self::sign::Report as Signed;

use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use clap::Subcommand;
use serde::Serialize;
use vgpu_keys::{MAX_POLICIES, Policy, SignedPolicies, SignedPolicy};
use vgpu_manifest::Digest;

use super::Context;
use crate::outfile;
use crate::ui::{Advise as _, print, print_json};

/// Write and sign the policies of nodes: their signers, thresholds and channels.
///
/// A policy replaces the one with the previous version, on nodes where enough signers of both have
/// signed it. `policies = "FILE"` in `[bundle]` of a recipe carries them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the first policy
    Init(edit::Init),
    /// Write the next policy
    Edit(edit::Edit),
    /// Add a signature to a policy, in place
    Sign(sign::Sign),
    /// Show a policy and its signatures
    Show(show::Show),
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        match &self.command {
            Command::Init(args) => args.run(context),
            Command::Edit(args) => args.run(context),
            Command::Sign(args) => args.run(context),
            Command::Show(args) => args.run(),
        }
    }
}

/// Reads the last policy in the file at `path`, with any number of signatures.
fn read(path: &Utf8Path) -> anyhow::Result<(SignedPolicy, Policy)> {
    let what = || format!("cannot use the policy `{path}`");
    let text = read_text(path).with_context(what)?;
    let last = SignedPolicies::parse(&text).ok().and_then(|all| all.policies().last().cloned());
    let signed = last.map_or_else(|| SignedPolicy::parse(&text), Ok).with_context(what)?;
    let policy = Policy::parse(signed.document()).with_context(what)?;
    Ok((signed, policy))
}

fn read_text(path: &Utf8Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_POLICIES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_POLICIES {
        bail!("it is longer than {MAX_POLICIES} bytes");
    }
    Ok(text)
}

/// Writes a new policy to a new file, and prints the digest that people compare.
fn write(context: &Context, path: &Utf8Path, policy: &Policy, json: Json) -> anyhow::Result<()> {
    let document = policy.to_string();
    outfile::create(path, document.as_bytes(), 0o644)
        .with_context(|| format!("cannot write `{path}`"))
        .hint("name a new file with `--output`; a policy is never overwritten")?;
    let (version, sha256) = (policy.version(), Digest::of(document.as_bytes()));
    context.ui.note(format_args!("wrote policy {version} to `{path}`"));
    if !policy.can_be_succeeded() {
        context.ui.note(
            "warning: too few signers may sign a policy (`vgpu-policy`), so no later policy can \
                replace this one; nodes can then be re-keyed only on the node itself",
        );
    }
    context.ui.note(format_args!("next: vgpu-bundler policy sign {path}"));
    match json {
        Json::Yes => print_json(&Written { version, sha256 })?,
        Json::No => print([sha256.to_string()])?,
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Json {
    Yes,
    No,
}

impl From<bool> for Json {
    fn from(json: bool) -> Self {
        if json { Self::Yes } else { Self::No }
    }
}

/// A policy that was written.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Written {
    /// The version of the policy.
    version: u64,
    /// The digest of its document.
    sha256: Digest,
}
