//! The commands. Each resolves its arguments, then runs.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod catalog;
#[cfg(feature = "pages")]
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod expand;
pub(crate) mod extract;
pub(crate) mod fetch;
pub(crate) mod fleet;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod lock;
#[cfg(feature = "pages")]
pub(crate) mod man;
pub(crate) mod policy;
pub(crate) mod prove;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod sign;
pub(crate) mod update;
pub(crate) mod verify;
pub(crate) mod write;

use camino::Utf8PathBuf;

use crate::cache::{Cache, CacheLock};
use crate::cli::options::{Network, Project};
use crate::cli::{Cli, Command};
use crate::dirs;
use crate::fetch::Fetcher;
use crate::items::source::Sources;
use crate::ui::Ui;

/// The environment of every command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) ui: Ui,
    cache: Option<Utf8PathBuf>,
}

impl Context {
    pub(crate) fn cache(&self) -> anyhow::Result<Cache> {
        Ok(Cache::open(&self.cache_dir()?)?)
    }

    pub(crate) fn cache_dir(&self) -> anyhow::Result<Utf8PathBuf> {
        self.cache.clone().map_or_else(|| Ok(dirs::cache()?), Ok)
    }

    pub(crate) fn lock<'c>(&self, cache: &'c Cache) -> anyhow::Result<CacheLock<'c>> {
        let waiting =
            |holder: &str| self.ui.note(format_args!("waiting for {holder}, which uses the cache"));
        Ok(cache.lock(waiting)?)
    }

    /// Everything that the sources of a project's items may need.
    fn sources<'s>(
        &'s self,
        project: &'s Project,
        network: &'s Network,
        cache: &'s CacheLock<'s>,
    ) -> Sources<'s> {
        let Network { client, patience, width } = network;
        let (client, ui) = (client.as_ref(), &self.ui);
        let fetcher = Fetcher { client, cache, patience: *patience, ui };
        Sources { fetcher, base: &project.base, catalog: &project.catalog, width: *width }
    }
}

pub(crate) fn run(cli: Cli, ui: Ui) -> (Ui, anyhow::Result<()>) {
    let context = Context { ui, cache: cli.global.cache };
    let result = match &cli.command {
        Command::Init(args) => args.run(&context),
        Command::Expand(args) => args.run(),
        Command::Lock(args) => args.run(&context),
        Command::Update(args) => args.run(&context),
        Command::Fetch(args) => args.run(&context),
        Command::Prove(args) => args.run(&context),
        Command::Build(args) => args.run(&context),
        Command::Sign(args) => args.run(&context),
        Command::Verify(args) => args.run(&context),
        Command::Inspect(args) => args.run(),
        Command::Show(args) => args.run(&context),
        Command::Extract(args) => args.run(&context),
        Command::Diff(args) => args.run(),
        Command::Write(args) => args.run(&context),
        Command::Catalog(args) => args.run(&context),
        Command::Fleet(args) => args.run(&context),
        Command::Key(args) => args.run(&context),
        Command::Policy(args) => args.run(&context),
        Command::Cache(args) => args.run(&context),
        Command::Doctor(args) => args.run(&context),
        Command::Schema(args) => args.run(),
        #[cfg(feature = "pages")]
        Command::Completions(args) => args.run(),
        #[cfg(feature = "pages")]
        Command::Man(args) => args.run(&context),
    };
    (context.ui, result)
}
