use camino::{Utf8Component, Utf8Path};

/// The reason why a link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkFault {
    #[error("is absolute")]
    Absolute,
    #[error("leads out of the folder")]
    Outside,
    /// It goes down and up again. If the lower component is a link, its parent is elsewhere.
    #[error("has a `..` after a name; where that leads depends on other links")]
    Winding,
    #[error("is empty, or has characters that no name should have")]
    Strange,
}

/// Checks that the target of a link at `path`, relative to the folder, stays in the folder.
///
/// The target may go up first and then only down. The parents of a link are folders and not links,
/// so going up is bounded; every link on the way down is checked as well.
pub(super) fn check(path: &Utf8Path, target: &str) -> Result<(), LinkFault> {
    if target.is_empty() || target.chars().any(char::is_control) {
        return Err(LinkFault::Strange);
    }
    let mut depth = path.components().count() - 1;
    let mut goes_down = false;
    for component in Utf8Path::new(target).components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::Normal(_) => goes_down = true,
            Utf8Component::ParentDir if goes_down => return Err(LinkFault::Winding),
            Utf8Component::ParentDir => depth = depth.checked_sub(1).ok_or(LinkFault::Outside)?,
            Utf8Component::RootDir | Utf8Component::Prefix(_) => return Err(LinkFault::Absolute),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::LinkFault::{Absolute, Outside, Strange, Winding};
    use super::*;

    #[test]
    fn links_stay_inside() {
        let good =
            [("a", "b"), ("a/b", "../c"), ("a/b/c", "../../d/e"), ("a/b", "./c"), ("a/b", "..")];
        for (path, target) in good {
            assert_eq!(check(path.into(), target), Ok(()), "{path} -> {target}");
        }
        let bad = [
            ("a", "/etc/passwd", Absolute),
            ("a", "..", Outside),
            ("a/b", "../../c", Outside),
            ("a/b", "./../../c", Outside),
            ("a/b", "c/..", Winding),
            ("a/b/c", "d/../../../../e", Winding),
            ("a", "", Strange),
            ("a", "b\nc", Strange),
        ];
        for (path, target, fault) in bad {
            assert_eq!(check(path.into(), target), Err(fault), "{path} -> {target}");
        }
    }
}
