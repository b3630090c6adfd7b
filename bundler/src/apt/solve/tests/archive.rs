//! Archives given as text and read like an index.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use vgpu_manifest::inventory::PackageName;

use super::super::{Node, Solution, SolveError, solve};
use crate::apt::model::{Candidate, Offer, Pin, Place, Universe};
use crate::types::{Request, Stanza, Upgrades};

/// Several archives.
#[derive(Debug, Default)]
pub(super) struct Archives {
    archives: Vec<Archive>,
}

#[derive(Debug)]
struct Archive {
    name: String,
    pin: Pin,
    text: String,
    named: BTreeMap<String, Vec<Range<usize>>>,
    provided: BTreeMap<String, Vec<Range<usize>>>,
}

impl Archives {
    /// One archive of the default priority.
    pub(super) fn one(text: &str) -> Self {
        Self::default().and("main", 500, text)
    }

    /// A further archive.
    pub(super) fn and(mut self, name: &str, pin: i16, text: &str) -> Self {
        let (mut named, mut provided) = (BTreeMap::new(), BTreeMap::new());
        let mut start = 0;
        for paragraph in text.split("\n\n") {
            let range = start..start + paragraph.len();
            start = range.end + 2;
            let line = |field: &str| {
                let mut lines = paragraph.lines();
                lines.find_map(|line| line.strip_prefix(field)).map(str::trim)
            };
            let Some(name) = line("Package:") else { continue };
            named.entry(name.to_owned()).or_insert_with(Vec::new).push(range.clone());
            for other in line("Provides:").into_iter().flat_map(|text| text.split(',')) {
                let end = other.find('(').unwrap_or(other.len());
                let other = other[..end].trim().to_owned();
                provided.entry(other).or_insert_with(Vec::new).push(range.clone());
            }
        }
        let (name, text) = (name.to_owned(), text.to_owned());
        self.archives.push(Archive { name, pin: Pin(pin), text, named, provided });
        self
    }

    fn read(archive: &Archive, at: &Range<usize>) -> Candidate {
        let offer = Offer {
            archive: archive.name.parse().unwrap(),
            pin: archive.pin,
            place: Place(at.start as u64),
        };
        let stanza = Stanza::parse(&archive.text[at.clone()]).unwrap();
        Candidate::read(&stanza, offer).unwrap()
    }
}

impl Universe for Archives {
    type Error = Infallible;

    fn versions(&self, name: &PackageName) -> Result<Vec<Candidate>, Infallible> {
        let all = self.archives.iter().flat_map(|archive| {
            let places = archive.named.get(name.as_str()).into_iter().flatten();
            places.map(|at| Self::read(archive, at))
        });
        Ok(all.collect())
    }

    fn providers(&self, name: &PackageName) -> Result<Vec<Candidate>, Infallible> {
        let all = self.archives.iter().flat_map(|archive| {
            let places = archive.provided.get(name.as_str()).into_iter().flatten();
            places.map(|at| Self::read(archive, at))
        });
        Ok(all.collect())
    }
}

/// Returns stanzas from a short form: `a 1 all`, then the fields, one a line.
pub(super) fn stanzas(packages: &[(&str, &str, &str)]) -> String {
    let stanza = |(name, version, fields): &(&str, &str, &str)| {
        let fields: String =
            fields.split_terminator(';').flat_map(|field| [field.trim(), "\n"]).collect();
        format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\nSize: 1\n{fields}\n")
    };
    packages.iter().map(stanza).collect()
}

/// Returns a node with these packages in dpkg's status.
pub(super) fn node(packages: &[(&str, &str, &str)]) -> Node {
    let text = stanzas(packages).replace("Size: 1", "Status: install ok installed");
    Node::of_status(&text)
}

pub(super) fn requests(names: &str) -> Vec<Request> {
    names.split_whitespace().map(|name| name.parse().unwrap()).collect()
}

pub(super) fn ask(
    archives: &Archives,
    node: &Node,
    names: &str,
    upgrades: Upgrades,
) -> Result<Solution, SolveError<Infallible>> {
    solve(archives, node, &requests(names), upgrades)
}

/// Returns `a=1 b=2`, in the order of the names.
pub(super) fn brought(solution: &Solution) -> String {
    let each = solution
        .changes
        .iter()
        .map(|change| format!("{}={}", change.candidate.name, change.candidate.version));
    each.collect::<Vec<_>>().join(" ")
}
