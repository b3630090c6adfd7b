use camino::Utf8PathBuf;

use super::service_of;
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::host::real::write_outside;
use crate::license::elsewhere::is_token;
use crate::license::health::{Reply, ask};
use crate::ui::{Tone, Ui};

/// Get a token for a guest that cannot reach the server.
///
/// Install it in the guest within an hour: `sh license-linux.sh --token FILE`.
#[derive(Debug, clap::Args)]
pub(crate) struct Token {
    /// Output file
    #[arg(long, short, value_name = "FILE")]
    output: Utf8PathBuf,
}

impl Token {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let service = service_of(&target.host)?;
        let refused = |text: String| Err(Refused::Unfinished(text));
        let body = match ask(&target.host, &service, "/-/client-token")? {
            Reply::Body(body) => body,
            Reply::Nothing(why) => {
                return refused(format!("no token from {}: {why}", service.url()))
                    .hint("run `vgpu-installer license status` to check the server");
            }
            Reply::NotAsked => {
                return Ok(refused(
                    "commands are not run under `--root`, so the server cannot be queried".into(),
                )?);
            }
        };
        let text = String::from_utf8_lossy(&body).trim().to_owned();
        if !is_token(&text) {
            return Ok(refused(format!("the answer from {} is not a token", service.url()))?);
        }
        write_outside(&self.output, text.as_bytes())?;
        ui.say(ui.paint_talk(Tone::Good, &format!("wrote {:?}", self.output)));
        Ok(Exit::Done)
    }
}
