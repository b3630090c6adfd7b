use std::env;
use std::fs;
use std::io;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Subcommand;
use serde::Serialize;
use vgpu_keys::{
    Agent, AllowedSigner, Fingerprint, KeyFile, Principal, PublicKey, Role, Signer as _,
};
use zeroize::Zeroizing;

use super::Context;
use crate::exit::Advise as _;
use crate::options::{PassphraseArgs, default_key, default_signers};
use crate::trust;
use crate::ui::{print, print_json};

/// Make and show signing keys, which are ordinary Ed25519 keys of OpenSSH.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key, and allow it to sign here
    Generate(Generate),
    /// Print a public key and its fingerprint
    Show {
        /// Its file, the private or the public half [default: $XDG_CONFIG_HOME/vgpu-offline/key]
        #[arg(long, value_name = "FILE")]
        key: Option<Utf8PathBuf>,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Show who is allowed to sign, and the keys in the ssh-agent
    List {
        /// The file of the allowed signers [default: $XDG_CONFIG_HOME/vgpu-offline/allowed_signers]
        #[arg(long, value_name = "FILE", env = "VGPU_SIGNERS")]
        signers: Option<Utf8PathBuf>,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Generate {
    /// The name under which the key is trusted [default: the user's name]
    #[arg(long, value_name = "NAME")]
    principal: Option<Principal>,

    /// Where the private key goes; the public one lies beside it [default:
    /// $XDG_CONFIG_HOME/vgpu-offline/key]
    #[arg(long, value_name = "FILE")]
    key: Option<Utf8PathBuf>,

    /// The file of the allowed signers that gets a line for it [default:
    /// $XDG_CONFIG_HOME/vgpu-offline/allowed_signers]
    #[arg(long, value_name = "FILE", env = "VGPU_SIGNERS")]
    signers: Option<Utf8PathBuf>,

    /// What it may sign; it can be given several times
    #[arg(long = "for", value_name = "NAMESPACE", default_values = ["vgpu-bundle", "vgpu-installer", "vgpu-policy"])]
    roles: Vec<Role>,

    /// Do not protect the private key: whoever can read its file can sign
    #[arg(long, conflicts_with = "passphrase_file")]
    no_passphrase: bool,

    /// Print JSON for programs
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        match &self.command {
            Command::Generate(args) => args.run(context),
            Command::Show { key, json } => show(&key.clone().map_or_else(default_key, Ok)?, *json),
            Command::List { signers, json } => {
                list(context, &signers.clone().map_or_else(default_signers, Ok)?, *json)
            }
        }
    }
}

impl Generate {
    fn run(&self, context: &Context) -> anyhow::Result<()> {
        let path = self.key.clone().map_or_else(default_key, Ok)?;
        let signers = self.signers.clone().map_or_else(default_signers, Ok)?;
        let principal = self.principal.clone().map_or_else(user, Ok)?;
        let public_path = public_half(&path);
        for taken in [&path, &public_path] {
            if taken.exists() {
                bail!("there is a key at `{taken}` already; name another file with `--key`");
            }
        }
        // Before anything is written, see that the line can be added.
        trust::read(&signers)?;

        let key = KeyFile::generate(principal.as_str())?;
        let passphrase = if self.no_passphrase { None } else { self.passphrase.new_one()? };
        let pem = key.to_openssh(passphrase.as_ref().map(|passphrase| passphrase.as_str()))?;
        put(&path, pem.as_bytes(), 0o600)?;
        put(&public_path, key.public_line().as_bytes(), 0o644)?;
        let public = key.public_key();
        trust::add(&signers, AllowedSigner::new(principal, self.roles.clone(), *public)?)?;

        let ui = &context.ui;
        ui.note(format_args!("wrote `{path}` and `{public_path}`, and a line to `{signers}`"));
        if passphrase.is_none() {
            ui.note("the key has no passphrase: whoever can read its file can sign");
        }
        ui.note("write its fingerprint down on paper; nodes are told to trust it by that");
        if self.json {
            return Ok(print_json(&Shown { key: public, fingerprint: public.fingerprint() })?);
        }
        Ok(print([public.fingerprint().to_string()])?)
    }
}

/// What `generate --json` and `show --json` print.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'k> {
    /// As its file has it: `ssh-ed25519 AAAA…`.
    key: &'k PublicKey,
    fingerprint: Fingerprint,
}

/// What `list --json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Known {
    allowed: Vec<Allowed>,
    in_agent: Vec<InAgent>,
}

/// Somebody who is allowed to sign.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Allowed {
    principal: Principal,
    fingerprint: Fingerprint,
    namespaces: Vec<Role>,
}

/// A key in the ssh-agent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct InAgent {
    fingerprint: Fingerprint,
    comment: String,
}

fn put(path: &Utf8Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    trust::put_new(path, bytes, mode).with_context(|| format!("cannot write `{path}`"))
}

/// The public key lies beside the private one.
fn public_half(path: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{path}.pub"))
}

/// The name of the user, if it can be one of a principal.
fn user() -> anyhow::Result<Principal> {
    let name = env::var("USER").or_else(|_| env::var("LOGNAME")).ok();
    name.and_then(|name| name.parse().ok())
        .context("the user's name cannot be used as that of a principal")
        .hint("give one with `--principal`")
}

fn show(path: &Utf8Path, json: bool) -> anyhow::Result<()> {
    let key = public_key(path).with_context(|| format!("cannot show the key `{path}`"))?;
    if json {
        return Ok(print_json(&Shown { key: &key, fingerprint: key.fingerprint() })?);
    }
    Ok(print([key.to_string(), key.fingerprint().to_string()])?)
}

/// The public key of this file, or of the private key in it.
fn public_key(path: &Utf8Path) -> anyhow::Result<PublicKey> {
    let beside = public_half(path);
    let path = if beside.is_file() { &beside } else { path };
    let bytes = Zeroizing::new(fs::read(path)?);
    if !bytes.starts_with(b"-----BEGIN") {
        return Ok(std::str::from_utf8(&bytes)?.trim_end().parse()?);
    }
    let no_public_half = || Err(io::Error::other("its public half is not beside it"));
    Ok(*KeyFile::parse(&bytes, &mut { no_public_half })?.public_key())
}

fn list(context: &Context, path: &Utf8Path, json: bool) -> anyhow::Result<()> {
    let mut known = Known { allowed: Vec::new(), in_agent: Vec::new() };
    match trust::read(path)? {
        Some(signers) => known.allowed.extend(signers.iter().map(|signer| Allowed {
            principal: signer.principal().clone(),
            fingerprint: signer.key().fingerprint(),
            namespaces: signer.roles().iter().copied().collect(),
        })),
        None => context.ui.note(format_args!("nobody is trusted yet: there is no `{path}`")),
    }
    if let Some(socket) = env::var_os("SSH_AUTH_SOCK") {
        match Agent::connect(socket).and_then(|agent| agent.keys()) {
            Ok(keys) => known.in_agent.extend(keys.iter().map(|key| InAgent {
                fingerprint: key.public_key().fingerprint(),
                comment: key.comment().to_owned(),
            })),
            Err(error) => context.ui.note(format_args!("the ssh-agent was not asked: {error}")),
        }
    }
    if json {
        return Ok(print_json(&known)?);
    }
    let allowed = known.allowed.iter().map(|it| {
        let roles: Vec<_> = it.namespaces.iter().map(|role| role.namespace()).collect();
        format!("{}  {}  {}", it.fingerprint, it.principal, roles.join(","))
    });
    let in_agent =
        known.in_agent.iter().map(|it| format!("{}  ssh-agent  {}", it.fingerprint, it.comment));
    Ok(print(allowed.chain(in_agent))?)
}
