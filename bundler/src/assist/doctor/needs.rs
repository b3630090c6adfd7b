//! The needs of a recipe.

use crate::lock::Lock;
use crate::recipe::{Entry, Recipe, Role};
use crate::types::Origin;

/// The needs; `None` if there is no recipe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Downloads.
    pub(super) network: Option<Need>,
    /// Git repositories.
    pub(super) git: Option<Need>,
    /// Crates.
    pub(super) cargo: Option<Need>,
    /// A library to compile.
    pub(super) compiler: Option<Need>,
    /// Downloads from mega.
    pub(super) mega: Option<Need>,
    /// Signed package archives.
    pub(super) archives: Option<Need>,
    /// The known bytes to download into the cache.
    pub(super) bytes: Option<u64>,
    /// The time of the lock, in seconds since 1970.
    pub(super) locked: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    No,
    Yes,
}

impl Needs {
    /// Returns the needs of `recipe`, with the amounts of `lock`.
    pub(crate) fn of(
        recipe: &Recipe,
        lock: Option<&Lock>,
        is_cached: &dyn Fn(&Lock) -> u64,
    ) -> Self {
        let any = |wanted: &dyn Fn(&Entry) -> bool| {
            Some(if recipe.entries.iter().any(wanted) { Need::Yes } else { Need::No })
        };
        let from = |wanted: &dyn Fn(&Origin) -> bool| any(&|entry| wanted(&entry.origin));
        let network = from(&|origin| origin.local().is_none() && *origin != Origin::Catalog);
        Self {
            network: if recipe.apt.is_empty() { network } else { Some(Need::Yes) },
            git: from(&|origin| matches!(origin, Origin::Git(_))),
            cargo: any(&|entry| matches!(entry.role, Role::Unlock { .. } | Role::Library { .. })),
            compiler: any(&|entry| matches!(entry.role, Role::Library { .. })),
            mega: from(&|origin| matches!(origin, Origin::Mega { .. })),
            archives: Some(if recipe.apt.is_empty() { Need::No } else { Need::Yes }),
            bytes: lock.map(|lock| {
                let all: u64 = lock.items.iter().map(|item| item.size).sum();
                all.saturating_sub(is_cached(lock))
            }),
            locked: lock.map(|lock| lock.created),
        }
    }
}
