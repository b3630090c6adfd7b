use vgpu_keys::{PolicyDraft, Upstream};

use super::enact;
use crate::cli::{Exit, Target};
use crate::trust;
use crate::ui::Ui;

/// Require the signatures of archives for Debian packages, or not.
///
/// With `required`, a bundle is refused unless the node verifies the signature chain of every
/// Debian package in it, as `verify --upstream` does. With `optional`, the default, the plan
/// reports the result.
#[derive(Debug, clap::Args)]
pub(crate) struct SetUpstream {
    /// `required` or `optional`
    #[arg(value_enum, value_name = "RULE", hide_possible_values = true)]
    rule: Rule,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Rule {
    Required,
    Optional,
}

impl SetUpstream {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let _lock = target.lock()?;
        let policy = trust::require(&target.host)?;
        let (upstream, word) = match self.rule {
            Rule::Required => (Upstream::Required, "required"),
            Rule::Optional => (Upstream::Optional, "optional"),
        };
        if policy.upstream() == upstream {
            ui.say(format_args!("signatures of archives are {word} already"));
            return Ok(Exit::Done);
        }
        let mut draft = PolicyDraft::after(&policy);
        draft.upstream = upstream;
        enact(draft, &mut target, &format!("signatures of archives are {word}"), ui)?;
        ui.say(format_args!("signatures of archives are {word} from now on"));
        Ok(Exit::Done)
    }
}
