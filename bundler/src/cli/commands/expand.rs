use camino::Utf8Path;
use serde::Serialize;

use crate::catalog::Extended;
use crate::cli::options::ProjectArgs;
use crate::ui::{print, print_json};

/// Print the long form of a recipe.
///
/// Shows the entries that follow from `[vgpu]` and `[packages]`. The output is a recipe that locks
/// to the same bundle.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    project: ProjectArgs,
}

/// The long form of a recipe.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Answer<'r> {
    /// The recipe, as TOML.
    recipe: &'r str,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let path = self.project.path();
        let catalog = Extended::load(path.parent().unwrap_or(Utf8Path::new("")))?;
        let long = self.project.long_form(&catalog)?;
        // A long form that is no recipe is of no use.
        long.recipe(path)?;
        if self.json {
            return Ok(print_json(&Answer { recipe: long.text() })?);
        }
        Ok(print(long.text().lines())?)
    }
}
