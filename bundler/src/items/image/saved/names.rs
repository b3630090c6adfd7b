//! Which image of several, and what it is called.

use anyhow::{anyhow, bail};
use vgpu_manifest::image::ImageReference;

use crate::types::ImageName;
use crate::types::image::shortened;

/// The most names in a message.
const SHOWN: usize = 8;

/// Returns the image that `wanted` names, or the only one.
pub(super) fn choose<T>(
    mut images: Vec<(Vec<String>, T)>,
    wanted: Option<&ImageName>,
    unnamed: impl Fn(&T) -> String,
) -> anyhow::Result<(Vec<String>, T)> {
    match images.len() {
        0 => bail!("it has no image"),
        1 => return Ok(images.swap_remove(0)),
        _ => {}
    }
    let called = |names: &[String]| match wanted {
        Some(wanted) => names.iter().any(|name| is_called(wanted.reference(), name)),
        None => false,
    };
    let mut fitting = (0..images.len()).filter(|at| called(&images[*at].0));
    if let (Some(at), None) = (fitting.next(), fitting.next()) {
        drop(fitting);
        return Ok(images.swap_remove(at));
    }
    drop(fitting);
    let names = |(names, it): &(Vec<String>, T)| match &**names {
        [] => vec![unnamed(it)],
        names => names.to_vec(),
    };
    let all: Vec<String> = images.iter().flat_map(names).collect();
    let (count, all) = (images.len(), list(&all));
    Err(match wanted {
        Some(wanted) => {
            anyhow!("it has {count} images, and not exactly one is `{}`: {all}", wanted.reference())
        }
        None => anyhow!("it has {count} images; set `image` to the name of one: {all}"),
    })
}

/// Returns whether a name in an archive can be that of `reference`: the whole of it, or the end of
/// it after a `/` or `:`, because archives often have only a tag, or no registry.
pub(super) fn is_called(reference: &ImageReference, name: &str) -> bool {
    let before = reference.as_str().strip_suffix(name).filter(|_| !name.is_empty());
    before.is_some_and(|before| before.is_empty() || before.ends_with(['/', ':']))
}

/// Returns the name for container engines: that in the recipe, or the only one with a registry.
pub(super) fn reference(
    names: &[String],
    wanted: Option<&ImageName>,
) -> anyhow::Result<ImageReference> {
    if let Some(wanted) = wanted {
        return Ok(wanted.reference().clone());
    }
    let mut full: Vec<ImageReference> = names.iter().filter_map(|it| it.parse().ok()).collect();
    full.dedup();
    match (&*full, names) {
        ([only], _) => Ok(only.clone()),
        ([], []) => bail!(
            "the image has no name; set `image`, as in `image = \"registry.example/team/dls:2.0.3\"`"
        ),
        ([], _) => bail!(
            "the image is called {}, without a registry; set `image`, as in `image = \"registry.example/team/dls:2.0.3\"`",
            list(names)
        ),
        _ => bail!("the image has several names; set `image` to one of them: {}", list(names)),
    }
}

/// Returns the names in a message.
fn list(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN);
    let shown: Vec<_> = shown.map(|name| format!("`{}`", shortened(name).escape_debug())).collect();
    let more = names.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", shown.join(", "))
}
