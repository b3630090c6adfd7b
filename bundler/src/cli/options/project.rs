use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use crate::assist::expansion::{LongForm, Surroundings};
use crate::catalog::Extended;
use crate::lock::Lock;
use crate::recipe::Recipe;
use crate::ui::Advise as _;

/// Recipe options.
#[derive(Debug, clap::Args)]
pub(crate) struct ProjectArgs {
    /// Recipe; its lock has the same name and ends in `.lock`
    #[arg(long, short, value_name = "FILE", default_value = "bundle.toml")]
    recipe: Utf8PathBuf,
}

/// A recipe and its lock.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) recipe: Recipe,
    pub(crate) lock_path: Utf8PathBuf,
    /// The base of relative paths in the recipe.
    pub(crate) base: Utf8PathBuf,
    /// The catalog, with the files of the recipe and the user.
    pub(crate) catalog: Extended,
}

impl ProjectArgs {
    /// Returns whether the recipe exists or was named on the command line.
    pub(crate) fn is_there(&self) -> bool {
        self.recipe.exists() || self.recipe != "bundle.toml"
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.recipe
    }

    /// Returns the long form of the recipe.
    pub(crate) fn long_form(&self, catalog: &Extended) -> anyhow::Result<LongForm> {
        LongForm::read(&self.recipe, Surroundings::here(&catalog.catalog))
    }

    pub(crate) fn resolve(&self) -> anyhow::Result<Project> {
        let base = self.recipe.parent().unwrap_or(Utf8Path::new("")).to_owned();
        let catalog = Extended::load(&base)?;
        let recipe = self.long_form(&catalog)?.recipe(&self.recipe)?;
        let lock_path = self.recipe.with_extension("lock");
        Ok(Project { recipe, lock_path, base, catalog })
    }
}

impl Project {
    /// Returns the lock, if it exists, even if it is stale.
    pub(crate) fn any_lock(&self) -> anyhow::Result<Option<Lock>> {
        Lock::read(&self.lock_path)
    }

    /// Returns the lock. A missing or stale one is an error.
    pub(crate) fn lock(&self) -> anyhow::Result<Lock> {
        self.current_lock()?
            .with_context(|| format!("there is no lock `{}`", self.lock_path))
            .hint("run `vgpu-bundler lock`")
    }

    /// Returns the lock, if it exists. A stale lock is an error.
    pub(crate) fn current_lock(&self) -> anyhow::Result<Option<Lock>> {
        let Some(lock) = self.any_lock()? else { return Ok(None) };
        lock.check_current(&self.recipe, &self.catalog.files)
            .with_context(|| format!("cannot use the lock `{}`", self.lock_path))
            .hint("run `vgpu-bundler lock`, which shows the changes")?;
        Ok(Some(lock))
    }
}
