//! Relationship fields of packages: `libc6 (>= 2.36) | libc6.1:any, python3`.

use std::fmt;

use vgpu_manifest::inventory::{Name, PackageName};

use vgpu_manifest::DebVersion;

/// A version restriction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) comparison: Comparison,
    pub(crate) version: DebVersion,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `<<`
    Earlier,
    /// `<=`
    AtMost,
    /// `=`
    Exactly,
    /// `>=`
    AtLeast,
    /// `>>`
    Later,
}

/// An architecture qualifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Qualifier {
    /// The architecture of the declaring package, or `all`.
    Same,
    /// `:any`: every architecture, if the package allows it.
    Any,
    /// `:native`, or the name of one architecture.
    Only(Option<Name>),
}

/// A reference to a package, real or virtual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) name: PackageName,
    pub(crate) qualifier: Qualifier,
    pub(crate) bound: Option<Bound>,
}

/// Alternatives, in order of preference. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alternatives(Vec<Relation>);

/// A name that a package provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provided {
    pub(crate) name: PackageName,
    /// Without a version it satisfies no version restriction.
    pub(crate) version: Option<DebVersion>,
}

/// A text that is not a relationship field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a relation between packages: {why}", .text.escape_debug())]
pub(crate) struct RelationError {
    text: String,
    why: &'static str,
}

impl Comparison {
    fn split(text: &str) -> Option<(Self, &str)> {
        // `<` and `>` are obsolete and mean `<=` and `>=`.
        let operators = [
            ("<<", Self::Earlier),
            ("<=", Self::AtMost),
            (">=", Self::AtLeast),
            (">>", Self::Later),
            ("=", Self::Exactly),
            ("<", Self::AtMost),
            (">", Self::AtLeast),
        ];
        let mut found = operators.into_iter();
        found.find_map(|(sign, meant)| Some((meant, text.strip_prefix(sign)?)))
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::AtMost => "<=",
            Self::Exactly => "=",
            Self::AtLeast => ">=",
            Self::Later => ">>",
        }
    }
}

impl Bound {
    /// Returns a restriction to exactly this version.
    pub(crate) fn exactly(version: DebVersion) -> Self {
        Self { comparison: Comparison::Exactly, version }
    }

    /// Returns whether this version satisfies the restriction.
    #[must_use]
    pub(crate) fn holds(&self, version: &DebVersion) -> bool {
        match self.comparison {
            Comparison::Earlier => *version < self.version,
            Comparison::AtMost => *version <= self.version,
            Comparison::Exactly => *version == self.version,
            Comparison::AtLeast => *version >= self.version,
            Comparison::Later => *version > self.version,
        }
    }
}

impl Alternatives {
    /// A dependency without alternatives.
    pub(crate) fn one(relation: Relation) -> Self {
        Self(vec![relation])
    }

    /// A dependency on one of these.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Relation> {
        self.0.iter()
    }

    /// A dependency on one of these.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Relation> {
        self.0.iter_mut()
    }
}

/// Parses the value of `Depends` or `Pre-Depends` for a package of this architecture.
pub(crate) fn dependencies(text: &str, arch: &str) -> Result<Vec<Alternatives>, RelationError> {
    let mut groups = Vec::new();
    for group in members(text) {
        let mut relations = Vec::new();
        for one in group.split('|') {
            relations.extend(relation(one, arch)?);
        }
        // A group whose members are all for other architectures requires nothing.
        if !relations.is_empty() {
            groups.push(Alternatives(relations));
        }
    }
    Ok(groups)
}

/// Parses the value of `Conflicts`, `Breaks` or `Replaces` for a package of this architecture.
pub(crate) fn relations(text: &str, arch: &str) -> Result<Vec<Relation>, RelationError> {
    let found = members(text).map(|one| relation(one, arch));
    found.filter_map(Result::transpose).collect()
}

/// Parses the value of `Provides` for a package of this architecture.
pub(crate) fn provides(text: &str, arch: &str) -> Result<Vec<Provided>, RelationError> {
    let mut provided = Vec::new();
    for Relation { name, qualifier, bound } in relations(text, arch)? {
        let why = match (&qualifier, &bound) {
            // A package of another architecture, which is never requested here.
            (Qualifier::Only(Some(other)), _) if other.as_str() != arch => continue,
            (Qualifier::Any, _) => "a package cannot provide `:any`",
            (_, Some(bound)) if bound.comparison != Comparison::Exactly => {
                "a provided name can have an exact version only, with `=`"
            }
            _ => {
                provided.push(Provided { name, version: bound.map(|bound| bound.version) });
                continue;
            }
        };
        return Err(error(text, why));
    }
    Ok(provided)
}

fn members(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|member| !member.is_empty())
}

fn error(text: &str, why: &'static str) -> RelationError {
    RelationError { text: text.trim().chars().take(120).collect(), why }
}

/// Parses one relation; `None` if it is for other architectures only.
fn relation(text: &str, arch: &str) -> Result<Option<Relation>, RelationError> {
    let end = text.find(['(', '[', '<']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let (name, qualifier) = qualified(name.trim())
        .ok_or_else(|| error(text, "it does not begin with the name of a package"))?;
    let mut bound = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let (inner, after) = inner.split_once(')').ok_or_else(|| error(text, "it lacks a `)`"))?;
        bound =
            Some(bounded(inner.trim()).ok_or_else(|| {
                error(text, "expected a comparison and a version in parentheses")
            })?);
        rest = after.trim_start();
    }
    let mut applies = true;
    if let Some(inner) = rest.strip_prefix('[') {
        let (inner, after) = inner.split_once(']').ok_or_else(|| error(text, "it lacks a `]`"))?;
        applies = applies_to(inner, arch);
        rest = after.trim_start();
    }
    match rest.trim().chars().next() {
        None => Ok(applies.then_some(Relation { name, qualifier, bound })),
        Some('<') => Err(error(text, "build profiles have no meaning for a built package")),
        Some(_) => Err(error(text, "unexpected text follows it")),
    }
}

fn qualified(text: &str) -> Option<(PackageName, Qualifier)> {
    let (name, qualifier) = match text.split_once(':') {
        None => (text, Qualifier::Same),
        Some((name, "any")) => (name, Qualifier::Any),
        Some((name, "native")) => (name, Qualifier::Only(None)),
        Some((name, arch)) => (name, Qualifier::Only(Some(arch.parse().ok()?))),
    };
    Some((name.parse().ok()?, qualifier))
}

fn bounded(text: &str) -> Option<Bound> {
    let (comparison, version) = Comparison::split(text)?;
    Some(Bound { comparison, version: version.trim().parse().ok()? })
}

/// Returns whether a list such as `amd64 arm64` or `!i386` includes this architecture.
fn applies_to(list: &str, arch: &str) -> bool {
    let is_this = |name: &str| {
        name == arch
            || matches!(name, "any" | "linux-any")
            || name.strip_prefix("any-") == Some(arch)
    };
    let mut names = list.split_whitespace();
    if list.contains('!') {
        names.all(|name| name.strip_prefix('!').is_none_or(|name| !is_this(name)))
    } else {
        names.any(is_this)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.comparison.sign(), self.version)
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        match &self.qualifier {
            Qualifier::Same => {}
            Qualifier::Any => f.write_str(":any")?,
            Qualifier::Only(None) => f.write_str(":native")?,
            Qualifier::Only(Some(arch)) => write!(f, ":{arch}")?,
        }
        match &self.bound {
            Some(bound) => write!(f, " ({bound})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, relation) in self.iter().enumerate() {
            write!(f, "{}{relation}", if at > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        dependencies(text, "amd64").unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_form_of_debian_policy_is_read() {
        assert_eq!(
            shown("libc6 (>= 2.36),\n gcc | c-compiler, make:any (<<5),perl:native, a:i386 (= 1),"),
            [
                "libc6 (>= 2.36)",
                "gcc | c-compiler",
                "make:any (<< 5)",
                "perl:native",
                "a:i386 (= 1)"
            ]
        );
        assert_eq!(shown("a (< 1) | b(>1)"), ["a (<= 1) | b (>= 1)"]);
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn restrictions_to_architectures_are_applied() {
        assert_eq!(
            shown("a [amd64], b [!amd64], c (= 1) [i386 any-amd64] | d [arm64]"),
            ["a", "c (= 1)"]
        );
        assert_eq!(shown("a [linux-any], b [!i386 !armhf], c [arm64]"), ["a", "b"]);
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (bad, why) in [
            ("A", "name"),
            ("a (1)", "comparison"),
            ("a (= x)", "comparison"),
            ("a (= 1", "lacks a `)`"),
            ("a [amd64", "lacks a `]`"),
            ("a <!nocheck>", "profiles"),
            ("a (= 1) b", "follows"),
            ("a b", "name"),
            ("a |", "name"),
            ("a:b c", "name"),
            ("a\u{1b}[2J", "name"),
        ] {
            let error = dependencies(bad, "amd64").unwrap_err().to_string();
            assert!(error.contains(why), "{bad:?}: {error}");
            assert!(!error.contains('\u{1b}'));
        }
    }

    #[test]
    fn what_is_provided_has_a_version_or_none() {
        let provided = provides("c-compiler, libgcc1 (= 1:12.2.0-14), x:i386", "amd64").unwrap();
        assert_eq!(provided.len(), 2);
        assert!(provided[0].version.is_none());
        assert_eq!(provided[1].version.as_ref().unwrap().as_str(), "1:12.2.0-14");
        assert!(provides("a (>= 1)", "amd64").is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in ".{0,60}") {
            let _ = dependencies(&text, "amd64");
        }

        #[test]
        fn what_is_shown_reads_the_same(text in "[a-c|,:(<=>1 )\\[\\]]{0,40}") {
            if let Ok(groups) = dependencies(&text, "amd64") {
                let again: Vec<_> = groups.iter().map(ToString::to_string).collect();
                prop_assert_eq!(dependencies(&again.join(", "), "amd64").unwrap(), groups);
            }
        }
    }
}
