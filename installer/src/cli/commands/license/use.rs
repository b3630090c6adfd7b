use anyhow::Context as _;
use camino::Utf8PathBuf;

use crate::cli::{Exit, Refused, Target};
use crate::host::real::read_outside;
use crate::license::elsewhere::{Elsewhere, ServerUrl, is_certificate, is_token, save};
use crate::license::in_force;
use crate::ui::{Tone, Ui};

/// Use a license server elsewhere.
///
/// Guests migrate, so a cluster has one server. Name another node's server by address and root
/// certificate. For the NVIDIA License System, pass the token that it creates. `license guests`
/// then writes the files for guests.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("server").required(true).args(["url", "token"]))]
pub(crate) struct Use {
    /// Address of the server: `https://dls.example:8443`
    #[arg(value_name = "URL", requires = "root_cert")]
    url: Option<ServerUrl>,
    /// Root certificate in PEM: `license-root.crt` of the node with the server
    #[arg(long, value_name = "FILE", requires = "url")]
    root_cert: Option<Utf8PathBuf>,
    /// Client configuration token of the NVIDIA License System
    #[arg(long, value_name = "FILE")]
    token: Option<Utf8PathBuf>,
}

/// Far more than the size of a certificate or a token.
const MAX: u64 = 64 << 10;

impl Use {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        if let Some(service) = in_force(&target.host)? {
            let text = format!(
                "this node runs a license server, at {}; remove it first: `vgpu-installer \
                    license remove`",
                service.url()
            );
            return Err(Refused::Senseless(text).into());
        }
        let elsewhere = self.elsewhere()?;
        let _lock = target.lock()?;
        save(&mut target.host, &elsewhere)?;
        let word = match &elsewhere {
            Elsewhere::Server { url, .. } => format!("guests of this node use {url}"),
            Elsewhere::Token(_) => "guests of this node use this token".to_owned(),
        };
        ui.say(ui.paint_talk(Tone::Good, &word));
        ui.say("write their files: `vgpu-installer license guests DIR`");
        Ok(Exit::Done)
    }

    fn elsewhere(&self) -> anyhow::Result<Elsewhere> {
        let read = |path: &Utf8PathBuf| -> anyhow::Result<String> {
            String::from_utf8(read_outside(path, MAX)?).with_context(|| format!("{path:?}"))
        };
        if let (Some(url), Some(path)) = (&self.url, &self.root_cert) {
            let root = read(path)?.replace("\r\n", "\n");
            if !is_certificate(&root) {
                let text = format!("{path:?} is not one certificate in PEM");
                return Err(Refused::Senseless(text).into());
            }
            return Ok(Elsewhere::Server { url: url.clone(), root });
        }
        let path = self.token.as_ref().context("pass an address or a token")?;
        let token = read(path)?.trim().to_owned();
        if !is_token(&token) {
            let text = format!("{path:?} is not a client configuration token");
            return Err(Refused::Senseless(text).into());
        }
        Ok(Elsewhere::Token(token))
    }
}
