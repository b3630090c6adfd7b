use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{
    AllowedSigner, MAX_POLICIES, Policy, Signature, SignedPolicies, SignedPolicy, Successor,
};
use vgpu_manifest::Digest;

use super::warn;
use crate::cli::commands::bundle::TRUSTED_KEYS;
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::host::OwnState;
use crate::host::real::read_outside;
use crate::trust;
use crate::ui::{Answer, Tone, Ui, printable};

/// Replace the policy with signed newer ones.
///
/// Each new policy must have the next version, keep all revocations, and be signed by the
/// thresholds of its predecessor and of itself. Older ones are skipped. The first policy of a host
/// is confirmed by its SHA-256 instead, which must be obtained out of band.
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// Signed policies, as `vgpu-bundler policy sign` writes them
    #[arg(value_name = "POLICY")]
    policy: Utf8PathBuf,
    /// Signatures of the policy, from `ssh-keygen -Y sign -n vgpu-policy`, if they are not in the
    /// same file
    #[arg(value_name = "SIGNATURE")]
    signatures: Vec<Utf8PathBuf>,
    /// Expected SHA-256 of the first policy of a host; required without a terminal
    #[arg(long, value_name = "DIGEST", conflicts_with = "signatures")]
    sha256: Option<Digest>,
}

impl Update {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let text = read_outside(&self.policy, MAX_POLICIES)?;
        let Some(current) = trust::load(&target.host)? else {
            return self.begin(&text, target, ui);
        };
        if self.sha256.is_some() {
            let text = "this host has a policy already, so only a signed one can replace it";
            return Err(Refused::Senseless(text.to_owned()).into());
        }
        let _lock = target.lock()?;
        let successors = self.successors(&current, &text)?;
        if successors.is_empty() {
            ui.say(format_args!("the policy has version {} already", current.version()));
            return Ok(Exit::Done);
        }
        for line in trust::describe(&current, &successors) {
            ui.say(printable(&line));
        }
        trust::take(&mut OwnState::of(&mut target.host), &successors)?;
        let now = trust::require(&target.host)?;
        let done = format!("the policy now has version {}", now.version());
        ui.say(ui.paint_talk(Tone::Good, &done));
        warn(&now, ui);
        Ok(Exit::Done)
    }

    fn successors(&self, current: &Policy, text: &[u8]) -> anyhow::Result<Vec<Successor>> {
        if !self.signatures.is_empty() {
            let signatures = self.signatures.iter().map(|path| read_signature(path));
            let signatures = signatures.collect::<anyhow::Result<Vec<_>>>()?;
            let next = current.accept_successor(text, &signatures).hint(TRUSTED_KEYS)?;
            return Ok(vec![next]);
        }
        let what = || format!("`{}` has no signed policy", self.policy);
        let policies = SignedPolicies::parse(text).with_context(what)?;
        let last = policies.policies().last().map_or(0, SignedPolicy::version);
        if last < current.version() {
            return Err(Refused::OlderPolicy { have: current.version(), last }.into());
        }
        Ok(current.follow(&policies)?)
    }

    /// Sets the first policy of this host.
    fn begin(&self, text: &[u8], mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        if !self.signatures.is_empty() {
            return Err(trust::TrustError::NoPolicy.into());
        }
        let signed = SignedPolicy::parse(text);
        let document = signed.as_ref().map_or(text, SignedPolicy::document);
        let policy = Policy::parse(document).with_context(|| format!("`{}`", self.policy))?;
        let actual = Digest::of(document);
        for signer in policy.allowed_signers().iter() {
            ui.say(format_args!("trust {} with {}", signer.principal(), fingerprint(signer)));
        }
        ui.say(format_args!("SHA-256 {actual}"));
        self.confirm(actual, ui)?;
        let _lock = target.lock()?;
        let mut own = OwnState::of(&mut target.host);
        trust::save(&mut own, &policy, document)?;
        let version = policy.version();
        trust::record(&mut own, &format!("begin with policy version {version}, {actual}"))?;
        ui.say(ui.paint_talk(Tone::Good, &format!("the policy has version {version}")));
        warn(&policy, ui);
        ui.say("next: vgpu-installer verify BUNDLE");
        Ok(Exit::Done)
    }

    fn confirm(&self, actual: Digest, ui: &Ui) -> Result<(), Refused> {
        match self.sha256 {
            Some(expected) if expected == actual => return Ok(()),
            Some(expected) => return Err(Refused::OtherPolicy { expected, actual }),
            None if !ui.can_ask() => return Err(Refused::NoDigest),
            None => {}
        }
        ui.say("Compare it with the digest that you obtained out of band.");
        match ui.confirm("Are they the same?").map_err(|_| Refused::NoDigest)? {
            Answer::Yes => Ok(()),
            Answer::No => Err(Refused::Declined),
        }
    }
}

fn fingerprint(signer: &AllowedSigner) -> String {
    signer.key().fingerprint().to_string()
}

fn read_signature(path: &Utf8Path) -> anyhow::Result<Signature> {
    let armor = read_outside(path, 4096)?;
    Signature::from_armor(&armor).with_context(|| format!("`{path}` is not a signature"))
}
