//! The local inputs that `lock` reads.

use std::collections::BTreeSet;

use camino::Utf8Path;
use vgpu_manifest::Digest;
use vgpu_manifest::catalog::Catalog;

use super::{Finding, State};
use crate::items::driver::advice;
use crate::recipe::Recipe;
use crate::types::Origin;

/// Returns a finding for each missing file and folder of the recipe in `base`, or one that they are
/// all there. A file that the recipe pins may be in the cache instead.
pub(crate) fn inputs(
    recipe: &Recipe,
    base: &Utf8Path,
    catalog: &Catalog,
    is_cached: &dyn Fn(Digest) -> bool,
) -> Vec<Finding> {
    let needed = recipe.entries.iter().filter(|entry| !entry.sha256.is_some_and(is_cached));
    let paths = needed.filter_map(|entry| match &entry.origin {
        Origin::File { path } | Origin::Folder { path, .. } => Some(path),
        _ => None,
    });
    let paths: BTreeSet<_> = paths.collect();
    let finding =
        |state, says, hint| Finding { what: "input", state, says, needed_for: "`lock`", hint };
    let missing = paths.iter().filter(|path| !path.below(base).exists());
    let findings: Vec<_> = missing
        .map(|path| {
            let hint = advice(catalog, path.as_path());
            let hint = hint.unwrap_or_else(|| "put it there, or correct the recipe".to_owned());
            finding(State::Missing, format!("there is no `{path}`"), Some(hint))
        })
        .collect();
    match (findings.is_empty(), paths.len()) {
        (true, 0) => Vec::new(),
        (true, 1) => vec![finding(State::Good, "it is there".to_owned(), None)],
        (true, count) => vec![finding(State::Good, format!("all {count} are there"), None)],
        (false, _) => findings,
    }
}
