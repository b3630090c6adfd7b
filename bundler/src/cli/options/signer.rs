use std::{env, io};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{Agent, Fingerprint, KeyFile, KeyFileError, Signer};
use zeroize::Zeroizing;

use crate::bounded::{self, MAX_KEYS};
use crate::dirs;
use crate::secret;
use crate::ui::{Advise as _, Ui};

/// Signing key options.
#[derive(Debug, clap::Args)]
pub(crate) struct SignerArgs {
    /// Private key file [default: $XDG_CONFIG_HOME/vgpu-offline/key]
    #[arg(long, value_name = "FILE", conflicts_with = "agent")]
    key: Option<Utf8PathBuf>,

    /// Sign with the ssh-agent key of this fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    agent: Option<Fingerprint>,

    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// How often a passphrase is asked for.
const TRIES: u32 = 3;

/// Passphrase options.
#[derive(Debug, clap::Args)]
pub(crate) struct PassphraseArgs {
    /// File with the passphrase in its first line, or `/dev/fd/N`; prompts if missing
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<Utf8PathBuf>,
}

pub(crate) fn default_key() -> anyhow::Result<Utf8PathBuf> {
    Ok(dirs::config()?.join("key"))
}

impl SignerArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.key.is_some() || self.agent.is_some()
    }

    pub(crate) fn resolve(&self, ui: &Ui) -> anyhow::Result<Box<dyn Signer>> {
        let Some(fingerprint) = &self.agent else { return Ok(Box::new(self.key_file(ui)?)) };
        let key = in_agent(fingerprint)?;
        if key.public_key().is_on_security_key() {
            ui.note("the key is on a security key: touch it when it blinks");
        }
        Ok(key)
    }

    fn key_file(&self, ui: &Ui) -> anyhow::Result<KeyFile> {
        let path = self.key.clone().map_or_else(default_key, Ok)?;
        let what = || format!("cannot use the signing key `{path}`");
        let pem = match bounded::read(&path, MAX_KEYS) {
            Ok(pem) => Zeroizing::new(pem),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(error).with_context(what).hint(
                    "run `vgpu-bundler key generate`, or name a key with `--key` or `--agent`",
                );
            }
            Err(error) => return Err(error).with_context(what),
        };
        // A person may mistype; a file stays as it is.
        let mut tries = if self.passphrase.passphrase_file.is_some() { 1 } else { TRIES };
        loop {
            tries -= 1;
            match KeyFile::parse(&pem, &mut || self.passphrase.existing(&path)) {
                Err(KeyFileError::WrongPassphrase) if tries > 0 => {
                    ui.say("wrong passphrase, please try again");
                }
                key => return key.with_context(what),
            }
        }
    }
}

impl PassphraseArgs {
    fn existing(&self, key: &Utf8Path) -> io::Result<Zeroizing<String>> {
        match &self.passphrase_file {
            Some(path) => secret::from_file(path),
            None => secret::from_terminal(&format!("Passphrase for {key}: ")),
        }
    }

    /// Prompts for a passphrase for a new key; `None` if the user wants none.
    pub(crate) fn new_one(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let passphrase = match &self.passphrase_file {
            Some(path) => {
                secret::from_file(path).with_context(|| format!("cannot read `{path}`"))?
            }
            None => from_terminal_twice()
                .hint("give `--passphrase-file`, or `--no-passphrase` for a key without one")?,
        };
        Ok(Some(passphrase).filter(|passphrase| !passphrase.is_empty()))
    }
}

fn from_terminal_twice() -> anyhow::Result<Zeroizing<String>> {
    let first = secret::from_terminal("Passphrase for the new key (empty for none): ")?;
    if secret::from_terminal("Repeat passphrase: ")? != first {
        bail!("the passphrases differ");
    }
    Ok(first)
}

fn in_agent(fingerprint: &Fingerprint) -> anyhow::Result<Box<dyn Signer>> {
    let socket = env::var_os("SSH_AUTH_SOCK")
        .context("no ssh-agent: `SSH_AUTH_SOCK` is not set")
        .hint("start one with `eval $(ssh-agent)`, or name a key with `--key`")?;
    let keys = Agent::connect(socket)?.keys()?;
    let key = keys.into_iter().find(|key| key.public_key().fingerprint() == *fingerprint);
    let key = key
        .with_context(|| format!("the ssh-agent has no Ed25519 key {fingerprint}"))
        .hint("add it with `ssh-add FILE`; `vgpu-bundler key list` shows what is there")?;
    Ok(Box::new(key))
}
