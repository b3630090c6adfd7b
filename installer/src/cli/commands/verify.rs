use serde::Serialize;
use vgpu_manifest::{Bundle, Expected, Verified, shell_word};

use super::bundle::{BundleArg, Depth, check, check_left_out, title};
use crate::cli::{Exit, Refused, Target};
use crate::host::Look;
use crate::packages::{Upstream, check_upstream};
use crate::store::Known;
use crate::trust::{Floors, admit};
use crate::ui::{Tone, Ui};

/// Verify signatures and every byte of a bundle
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    bundle: BundleArg,
    /// Also compare the whole SHA-256 of every item, as `sha256sum -c` does; slower, and
    /// redundant for bundles of vgpu-bundler
    #[arg(long)]
    deep: bool,
    /// Also verify each Debian package against the signature of its archive, by the keyrings of
    /// this node; needs a bundle with `carry-index`
    #[arg(long)]
    upstream: bool,
}

impl Verify {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        self.bundle.tell_successors(&target.host, ui)?;
        let (policy, bundle) = self.bundle.open(&target.host)?;
        let depth = if self.deep { Depth::Whole } else { Depth::Chunks };
        let took = check(&bundle, depth, ui)?;

        let upstream = self.upstream.then(|| upstream(&target.host, &bundle, ui)).transpose()?;
        let known = Known::of(&bundle);
        ui.print(format_args!(
            "{} {}",
            ui.paint(Tone::Good, "intact and trusted:"),
            title(&known)
        ))?;
        ui.print(format_args!("digest: {}", bundle.digest()))?;
        ui.say(format_args!("checked {} items, {took}", bundle.manifest().carried().count()));
        let left_out = Expected::of(bundle.manifest().left_out());
        if !left_out.is_empty() {
            ui.print(format_args!("carried: {}", bundle.manifest().carried_summary()))?;
            ui.outcome(&LeftOut { left_out: &left_out })?;
        }
        for expected in left_out {
            ui.print(format_args!("left out, and expected in the store of this host: {expected}"))?;
        }
        if let Some(upstream) = upstream {
            ui.print(upstream.vouched)?;
        }
        // Warn early if this host would not accept the bundle.
        let admitted = admit(&policy, &Floors::load(&target.host)?, &bundle);
        let admitted = admitted.map_err(anyhow::Error::from);
        match admitted.and_then(|_| check_left_out(&target.host, &bundle)) {
            Ok(()) => {
                let path = shell_word(self.bundle.path.as_str());
                ui.say(format_args!("next: vgpu-installer check {path}"));
            }
            Err(why) => ui.say(format_args!(
                "{} `apply` would refuse it here: {why}",
                ui.paint_talk(Tone::Warn, "note:")
            )),
        }
        Ok(Exit::Done)
    }
}

/// The gaps of a delta bundle, in the document of `verify`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct LeftOut<'l> {
    /// The items that the bundle leaves out, and the bundles that have them.
    left_out: &'l [Expected],
}

/// Verifies the signature chain of every package.
fn upstream(look: &dyn Look, bundle: &Bundle<Verified>, ui: &Ui) -> anyhow::Result<Upstream> {
    if bundle.manifest().archives.is_empty() {
        let text = "the bundle has no packages from an archive".to_owned();
        return Err(Refused::Senseless(text).into());
    }
    check_left_out(look, bundle)?;
    let upstream = check_upstream(look, bundle, &|_| {})?;
    upstream.archives().for_each(|line| ui.say(line));
    Ok(upstream.require()?)
}
