use anyhow::Context as _;
use camino::Utf8PathBuf;

use crate::host::real::read_outside;
use crate::host::{NotASecret, Secret};
use crate::locked_host::LockedHost;
use crate::plan::Plan;
use crate::step::{Step, need_password};
use crate::ui::Ui;

/// Options for the one-time password.
#[derive(Debug, clap::Args)]
pub(super) struct PasswordArgs {
    /// File with the one-time password for MokManager (Secure Boot) in its first line, `-` for
    /// stdin; prompts if missing
    #[arg(long, value_name = "FILE")]
    mok_password_file: Option<Utf8PathBuf>,
}

/// The size limit of a password file.
const MAX_FILE: u64 = 4096;

impl PasswordArgs {
    /// Reads the one-time password if the plan needs it.
    ///
    /// Without a terminal, the step itself reports the missing password.
    pub(super) fn provide(
        &self,
        locked: &mut LockedHost,
        plan: &Plan,
        ui: &Ui,
    ) -> anyhow::Result<()> {
        let steps: Vec<Step> = plan.steps().cloned().collect();
        if !need_password(&steps, locked.look()) {
            return Ok(());
        }
        let secret = match &self.mok_password_file {
            Some(path) => Some(from_file(path)?),
            None if ui.can_ask() => Some(ask(ui)?),
            None => None,
        };
        if let Some(secret) = secret {
            locked.host().keep_secret(secret);
        }
        Ok(())
    }
}

fn from_file(path: &Utf8PathBuf) -> anyhow::Result<Secret> {
    let path = if path == "-" { "/dev/stdin".into() } else { path.clone() };
    let text = String::from_utf8(read_outside(&path, MAX_FILE)?).map_err(|_| NotASecret)?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    Secret::new(line).with_context(|| format!("cannot use the first line of `{path}`"))
}

/// Prompts until two answers agree and can be typed at the console.
fn ask(ui: &Ui) -> anyhow::Result<Secret> {
    ui.say(
        "Secure Boot is on. After the reboot, MokManager asks at the console for a one-time \
         password that you choose now.",
    );
    loop {
        let first = ui.ask_hidden("One-time password:")?;
        let secret = match Secret::new(first.clone()) {
            Ok(secret) => secret,
            Err(error) if !first.is_empty() => {
                ui.say(error);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if ui.ask_hidden("Repeat passphrase:")? == first {
            return Ok(secret);
        }
        ui.say("the two entries differ");
    }
}
