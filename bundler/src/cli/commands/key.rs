use std::env;
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
use crate::bounded::{self, MAX_KEYS};
use crate::cli::options::{PassphraseArgs, default_key, default_signers};
use crate::outfile;
use crate::trust;
use crate::ui::{Advise as _, print, print_json};

/// Create and show signing keys. They are ordinary Ed25519 keys of OpenSSH.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a key and add it to the allowed signers
    Generate(Generate),
    /// Print a public key and its fingerprint
    Show {
        /// Key file, private or public [default: $XDG_CONFIG_HOME/vgpu-offline/key]
        #[arg(long, value_name = "FILE")]
        key: Option<Utf8PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List allowed signers and the keys in the ssh-agent
    List {
        /// Allowed signers file [default: $XDG_CONFIG_HOME/vgpu-offline/allowed_signers]
        #[arg(long, value_name = "FILE", env = "VGPU_SIGNERS")]
        signers: Option<Utf8PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Generate {
    /// Principal of the key [default: the user's name]
    #[arg(long, value_name = "NAME")]
    principal: Option<Principal>,

    /// Private key file to create; the public key is FILE.pub [default:
    /// $XDG_CONFIG_HOME/vgpu-offline/key]
    #[arg(long, value_name = "FILE")]
    key: Option<Utf8PathBuf>,

    /// Allowed signers file to extend [default: $XDG_CONFIG_HOME/vgpu-offline/allowed_signers]
    #[arg(long, value_name = "FILE", env = "VGPU_SIGNERS")]
    signers: Option<Utf8PathBuf>,

    /// Namespace that the key may sign (repeatable)
    #[arg(long = "for", value_name = "NAMESPACE", default_values = ["vgpu-bundle", "vgpu-installer", "vgpu-policy"])]
    roles: Vec<Role>,

    /// Create the private key without a passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    no_passphrase: bool,

    /// Print JSON
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
                bail!("key `{taken}` exists; name another file with `--key`");
            }
        }
        // Check that the line can be added before writing anything.
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
            ui.note("the key has no passphrase: anyone who can read the file can sign");
        }
        ui.note("write its fingerprint down; nodes need it to trust the key");
        if self.json {
            return Ok(print_json(&Shown { key: public, fingerprint: public.fingerprint() })?);
        }
        Ok(print([public.fingerprint().to_string()])?)
    }
}

/// A public key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Shown<'k> {
    /// The key in OpenSSH's form.
    key: &'k PublicKey,
    /// Its fingerprint.
    fingerprint: Fingerprint,
}

/// The keys that this machine knows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Known {
    /// The keys in the allowed signers file.
    allowed: Vec<Allowed>,
    /// The keys in ssh-agent that can sign bundles.
    in_agent: Vec<InAgent>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Allowed {
    /// The signer.
    principal: Principal,
    /// The key.
    fingerprint: Fingerprint,
    /// The kinds of documents that it may sign.
    namespaces: Vec<Role>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct InAgent {
    /// The key.
    fingerprint: Fingerprint,
    /// The comment of the key.
    comment: String,
}

fn put(path: &Utf8Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    outfile::create(path, bytes, mode).with_context(|| format!("cannot write `{path}`"))
}

fn public_half(path: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{path}.pub"))
}

/// Returns the user's name, if it is a valid principal.
fn user() -> anyhow::Result<Principal> {
    let name = env::var("USER").or_else(|_| env::var("LOGNAME")).ok();
    name.and_then(|name| name.parse().ok())
        .context("the user name is not a valid principal")
        .hint("give one with `--principal`")
}

fn show(path: &Utf8Path, json: bool) -> anyhow::Result<()> {
    let key = public_key(path).with_context(|| format!("cannot show the key `{path}`"))?;
    if json {
        return Ok(print_json(&Shown { key: &key, fingerprint: key.fingerprint() })?);
    }
    Ok(print([key.to_string(), key.fingerprint().to_string()])?)
}

fn public_key(path: &Utf8Path) -> anyhow::Result<PublicKey> {
    let beside = public_half(path);
    let path = if beside.is_file() { &beside } else { path };
    let bytes = Zeroizing::new(bounded::read(path, MAX_KEYS)?);
    if !bytes.starts_with(b"-----BEGIN") {
        return Ok(std::str::from_utf8(&bytes)?.trim_end().parse()?);
    }
    let no_public_half = || Err(io::Error::other("its public key file is missing"));
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
        None => context.ui.note(format_args!("no key is trusted yet: there is no `{path}`")),
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
