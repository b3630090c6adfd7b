use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{Channel, Fingerprint, PolicyDraft, Principal, PublicKey, Role};

use super::{Thresholds, enact};
use crate::cli::{Exit, Refused, Target};
use crate::host::real::read_outside;
use crate::trust;
use crate::ui::{Answer, Tone, Ui};

/// Trust a key.
///
/// The fingerprint must be obtained out of band: on paper, or by telephone.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Public key file, as `ssh-keygen` writes it
    #[arg(value_name = "KEYFILE")]
    key: Utf8PathBuf,
    /// Principal of the key
    #[arg(long, value_name = "NAME")]
    principal: Principal,
    /// Expected fingerprint; required without a terminal
    #[arg(long, value_name = "SHA256:…")]
    fingerprint: Option<Fingerprint>,
    /// Namespaces that the key may sign
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "vgpu-bundle")]
    namespaces: Vec<Role>,
    /// Channel to accept in addition to existing ones (repeatable); the first key opens `stable`
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<Channel>,
    #[command(flatten)]
    thresholds: Thresholds,
}

impl Add {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let key = read_key(&self.key)?;
        self.confirm(&key, ui)?;

        let _lock = target.lock()?;
        let policy = trust::load(&target.host)?;
        let mut draft = policy.as_ref().map_or_else(PolicyDraft::first, PolicyDraft::after);
        self.amend(&mut draft, key)?;
        let fingerprint = key.fingerprint();
        let what = format!("trust {} with {fingerprint}", self.principal);
        enact(draft, &mut target, &what, ui)?;
        let done = format!("{} is trusted with {fingerprint}", self.principal);
        ui.say(ui.paint_talk(Tone::Good, &done));
        ui.say("next: vgpu-installer verify BUNDLE");
        Ok(Exit::Done)
    }

    /// Confirms the key by its fingerprint.
    fn confirm(&self, key: &PublicKey, ui: &Ui) -> anyhow::Result<()> {
        let actual = key.fingerprint();
        ui.say(format_args!("key:        {}", self.key.as_str().escape_debug()));
        ui.say(format_args!("principal:  {}", self.principal));
        ui.say(format_args!("may sign:   {}", list(&self.namespaces)));
        ui.say(format_args!("fingerprint {actual}"));
        if let Some(expected) = self.fingerprint {
            if expected != actual {
                return Err(Refused::OtherKey { expected, actual }.into());
            }
            return Ok(());
        }
        if !ui.can_ask() {
            return Err(Refused::NoFingerprint.into());
        }
        ui.say("Compare it with the fingerprint that you obtained out of band.");
        match ui.confirm("Are they the same?")? {
            Answer::Yes => Ok(()),
            Answer::No => Err(Refused::Declined.into()),
        }
    }

    fn amend(&self, draft: &mut PolicyDraft, key: PublicKey) -> anyhow::Result<()> {
        draft.trust(&self.principal, &self.namespaces, key)?;
        draft.channels.extend(self.channels.iter().cloned());
        if draft.channels.is_empty() {
            draft.channels.insert("stable".parse()?);
        }
        self.thresholds.set(draft);
        Ok(())
    }
}

pub(super) fn read_key(path: &Utf8Path) -> anyhow::Result<PublicKey> {
    let bytes = read_outside(path, 16 << 10)?;
    if bytes.starts_with(b"-----BEGIN ") {
        let text = format!("`{path}` is a private key; pass the public key: `{path}.pub`");
        return Err(Refused::Senseless(text).into());
    }
    let text = String::from_utf8(bytes).with_context(|| format!("`{path}` is not text"))?;
    text.parse().with_context(|| format!("`{path}` is not a key that can be trusted"))
}

fn list(roles: &[Role]) -> String {
    roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
