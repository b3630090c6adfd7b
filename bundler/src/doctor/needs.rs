//! What a recipe needs of the laptop.

use crate::lock::Lock;
use crate::recipe::{Entry, Recipe, Role};
use crate::source::Origin;

/// What is needed; `None` stands for: nobody has said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Whether anything comes from the network.
    pub(super) network: Option<Need>,
    /// Whether git fetches anything.
    pub(super) git: Option<Need>,
    /// Whether cargo gets crates.
    pub(super) cargo: Option<Need>,
    /// Whether a library is compiled.
    pub(super) compiler: Option<Need>,
    /// Whether anything comes from mega.
    pub(super) mega: Option<Need>,
    /// Whether signatures of package archives are checked.
    pub(super) archives: Option<Need>,
    /// How many bytes are to come into the cache, as far as that is known.
    pub(super) bytes: Option<u64>,
    /// When the lock was made, in seconds since 1970.
    pub(super) locked: Option<u64>,
}

/// Whether something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    No,
    Yes,
}

impl Needs {
    /// What `recipe` needs; `lock` says how much that is.
    pub(crate) fn of(
        recipe: &Recipe,
        lock: Option<&Lock>,
        is_cached: &dyn Fn(&Lock) -> u64,
    ) -> Self {
        let any = |wanted: &dyn Fn(&Entry) -> bool| {
            Some(if recipe.entries.iter().any(wanted) { Need::Yes } else { Need::No })
        };
        let from = |wanted: &dyn Fn(&Origin) -> bool| any(&|entry| wanted(&entry.origin));
        let network = from(&|origin| {
            !matches!(origin, Origin::File { .. } | Origin::Folder { .. } | Origin::Catalog)
        });
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
