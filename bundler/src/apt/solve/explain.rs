//! Explains why there is no solution, in terms of the stanzas.

use super::ask::{Explanation, Verb};
use super::engine::Contradiction;
use super::hints::Hints;
use super::policy::{Refusal, Stay};
use super::pool::{PackageId, Pool, State, VersionId};
use super::proof::{Consequences, Proof};
use super::rules::Rule;
use super::search::Search;
use crate::apt::model::Universe;
use crate::types::relation::{Alternatives, Qualifier, Relation};
use crate::types::{Request, Upgrades};

/// The limit of lines; further lines rarely add information.
const MOST_LINES: usize = 24;

/// The depth limit for nested alternatives.
const DEEPEST: usize = 8;

/// Explains a contradiction.
pub(super) fn explain<U: Universe>(
    search: &mut Search<'_, U>,
    contradiction: Contradiction,
) -> Result<Explanation, U::Error> {
    let proof = Proof::of(&search.rules, contradiction);
    let requested = |(rule, _): &(Rule, _)| matches!(rule, Rule::Requested(_));
    let root = proof.clauses.iter().rposition(requested);
    let mut writer = Writer {
        pool: &mut search.pool,
        proof: &proof,
        root: root.unwrap_or(usize::MAX),
        lines: Vec::new(),
        hints: Hints::default(),
    };
    if let Some(Rule::Requested(request)) = root.map(|root| &proof.clauses[root].0) {
        writer.request(request)?;
    } else {
        let nothing = writer.proof.consequences(usize::MAX, &[]);
        writer.conflict(&nothing, None, 0)?;
    }
    let Writer { mut lines, hints, .. } = writer;
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("  … and {more} more lines like these"));
    }
    Ok(Explanation { lines, hints: hints.into_lines() })
}

struct Writer<'p, 'a, U> {
    pool: &'p mut Pool<'a, U>,
    proof: &'p Proof,
    /// The clause being explained.
    root: usize,
    lines: Vec<String>,
    hints: Hints,
}

impl<U: Universe> Writer<'_, '_, U> {
    fn say(&mut self, depth: usize, line: &str) {
        let indent = "  ".repeat(depth);
        let line = format!("{indent}{line}");
        // A fact is explained once, except below another version.
        let mut siblings =
            self.lines.iter().rev().take_while(|other| other.starts_with(indent.as_str()));
        if !siblings.any(|other| *other == line) {
            self.lines.push(line);
        }
    }

    fn request(&mut self, request: &Request) -> Result<(), U::Error> {
        let targets = self.targets(self.root);
        if targets.is_empty() {
            let why = match self.several(request)? {
                Some(why) => why,
                None => self.unavailable(&wanted(request), None)?,
            };
            self.say(0, &format!("`{request}` is not available: {why}"));
            return Ok(());
        }
        self.say(0, &format!("`{request}` cannot be installed:"));
        for target in targets {
            self.target(&mut Vec::new(), target, 1)?;
        }
        Ok(())
    }

    /// Returns the providers of a virtual package, if the operator must choose one.
    fn several(&mut self, request: &Request) -> Result<Option<String>, U::Error> {
        let packages = self.pool.packages_called(&request.name)?;
        let may_be = |id: &&PackageId| !self.pool[**id].versions.is_empty();
        let names = packages.iter().filter(may_be).map(|id| self.pool[*id].name.as_str());
        let names: Vec<&str> = names.collect();
        if names.len() < 2 || request.version.is_some() || names.contains(&request.name.as_str()) {
            return Ok(None);
        }
        self.hints.one_of(&names);
        Ok(Some(format!("{} provide it", names.join(" and "))))
    }

    /// Explains why this version cannot be installed, given the versions that led to it.
    fn target(
        &mut self,
        way: &mut Vec<VersionId>,
        target: VersionId,
        depth: usize,
    ) -> Result<(), U::Error> {
        way.push(target);
        let found = self.proof.consequences(self.root, way);
        if found.conflict.is_some() {
            self.conflict(&found, Some(target), depth)?;
        } else if let Some(choice) = self.choice(&found).filter(|_| depth < DEEPEST) {
            let line = self.clause(choice)?;
            self.say(depth, &line);
            for next in self.targets(choice) {
                if found.value(next.var().yes()).is_none() {
                    self.target(way, next, depth + 1)?;
                }
            }
        } else {
            let line = format!("{} does not go with the rest", self.named(target));
            self.say(depth, &line);
        }
        way.pop();
        Ok(())
    }

    /// Orders the steps to a contradiction: first from the version in question down, then from
    /// other requests down, and last the conflicts between them.
    fn conflict(
        &mut self,
        found: &Consequences,
        start: Option<VersionId>,
        depth: usize,
    ) -> Result<(), U::Error> {
        let Some(conflict) = found.conflict else { return Ok(()) };
        let mut depth = depth;
        let mut steps = found.chain(conflict, self.proof);
        if let Some(start) = start {
            let before = steps.len();
            self.descend(start, &mut steps, depth)?;
            if steps.len() == before && depth > 1 {
                let line = format!("with {}:", self.named(start));
                self.say(depth, &line);
                depth += 1;
            }
        }
        let requested =
            |proof: &Proof, step: usize| matches!(proof.clauses[step].0, Rule::Requested(_));
        while let Some(at) = steps.iter().position(|step| requested(self.proof, *step)) {
            let step = steps.remove(at);
            let line = self.clause(step)?;
            self.say(depth, &line);
            for target in self.targets(step) {
                self.descend(target, &mut steps, depth + 1)?;
            }
        }
        steps.sort_by_key(|step| !matches!(self.proof.clauses[*step].0, Rule::Needs(..)));
        for step in steps {
            // The conflict itself names the package, so its presence needs no line.
            if !matches!(self.proof.clauses[step].0, Rule::Present(_)) {
                let line = self.clause(step)?;
                self.say(depth, &line);
            }
        }
        Ok(())
    }

    /// Adds the steps that begin at a version, followed by their successors.
    fn descend(
        &mut self,
        from: VersionId,
        steps: &mut Vec<usize>,
        depth: usize,
    ) -> Result<(), U::Error> {
        let is_kept = |id: &VersionId| self.pool[*id].state == State::Kept;
        let begins = |step: &usize| match &self.proof.clauses[*step].0 {
            Rule::Needs(owner, _) => *owner == from,
            // Conflicts come last, after every package involved has been introduced.
            Rule::Against(by, _, _, of) => {
                (*by == from && is_kept(of)) || (*of == from && is_kept(by))
            }
            _ => false,
        };
        let own: Vec<usize> = steps.iter().copied().filter(begins).collect();
        steps.retain(|step| !own.contains(step));
        for step in own {
            let line = self.clause(step)?;
            self.say(depth, &line);
            for target in self.targets(step) {
                self.descend(target, steps, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Explains a need with several alternatives, none of which has been decided.
    fn choice(&self, found: &Consequences) -> Option<usize> {
        let clauses = self.proof.clauses.iter().enumerate();
        let mut open = clauses.filter(|(at, (rule, lits))| {
            let owner_is_there = match rule {
                Rule::Needs(owner, _) => found.value(owner.var().yes()) == Some(true),
                Rule::Requested(_) | Rule::Present(_) => true,
                _ => false,
            };
            *at != self.root
                && owner_is_there
                && !lits.iter().any(|lit| found.value(*lit) == Some(true))
        });
        open.next().map(|(at, _)| at)
    }

    /// Returns the versions that would satisfy a clause.
    fn targets(&self, clause: usize) -> Vec<VersionId> {
        let lits = self.proof.clauses[clause].1.iter().filter(|lit| lit.is_positive());
        let mut targets: Vec<_> = lits.map(|lit| VersionId::of(lit.var())).collect();
        targets.sort();
        targets
    }

    /// Returns a clause as a line of text.
    fn clause(&mut self, clause: usize) -> Result<String, U::Error> {
        let proof = self.proof;
        Ok(match &proof.clauses[clause].0 {
            Rule::Requested(request) => format!("`{request}` is requested, too"),
            Rule::Present(package) => {
                format!("{} is on the node and must stay there", self.pool[*package].name)
            }
            Rule::Needs(owner, alternatives) => {
                let line = format!("{} needs {alternatives}", self.named(*owner));
                if self.pool.targets(alternatives)?.is_empty() {
                    let why = self.unavailable(alternatives, Some(*owner))?;
                    format!("{line}: {why}")
                } else {
                    line
                }
            }
            Rule::Against(by, verb, relation, of) => self.quarrel(*by, *verb, relation, *of),
            Rule::One(a, b) => {
                let name = &self.pool[self.pool[*a].package].name;
                let mut versions = [a, b].map(|id| &self.pool[*id].candidate.version);
                versions.sort();
                let [a, b] = versions;
                format!("of {name} there can be {a} or {b}, not both")
            }
        })
    }

    fn quarrel(&self, by: VersionId, verb: Verb, relation: &Relation, of: VersionId) -> String {
        let is_there = |id: VersionId| {
            if self.pool[id].state == State::Kept { ", which is on the node" } else { "" }
        };
        let by_is = is_there(by);
        let comma = if by_is.is_empty() { "" } else { "," };
        let whom = if relation.name == self.pool[of].candidate.name {
            relation.to_string()
        } else {
            format!("{relation}, which {} provides", self.named(of))
        };
        let of_is = match self.pool[of].state {
            State::Kept => format!("; the node has {}", self.named(of)),
            _ => String::new(),
        };
        format!("{}{by_is}{comma} {verb} {whom}{of_is}", self.named(by))
    }

    fn named(&self, id: VersionId) -> String {
        let candidate = &self.pool[id].candidate;
        format!("{} {}", candidate.name, candidate.version)
    }

    /// Explains why no version satisfies a need.
    fn unavailable(
        &mut self,
        alternatives: &Alternatives,
        owner: Option<VersionId>,
    ) -> Result<String, U::Error> {
        let mut whys = Vec::new();
        for relation in alternatives.iter() {
            let why = self.absent(relation, owner)?;
            if !whys.contains(&why) {
                whys.push(why);
            }
        }
        Ok(whys.join("; "))
    }

    fn absent(
        &mut self,
        relation: &Relation,
        owner: Option<VersionId>,
    ) -> Result<String, U::Error> {
        let packages = self.pool.packages_called(&relation.name)?;
        let upgrades = self.pool.upgrades();
        let mut others = Vec::new();
        for id in packages {
            let package = &self.pool[id];
            let name = &package.name;
            if let Some(refused) = package.refused.iter().find(|r| r.candidate.satisfies(relation))
            {
                let owner = owner.map(|owner| &self.pool[owner].candidate);
                self.hints.add(refused, relation, owner);
                return Ok(refusal(refused, upgrades));
            }
            let kept = package.kept.map(|id| &self.pool[id].candidate.version);
            others.extend(kept.map(|version| format!("the node has {name} {version}")));
            let rest = package.versions.iter().map(|id| &self.pool[*id]);
            for known in rest.filter(|known| known.state != State::Kept) {
                let candidate = &known.candidate;
                others
                    .push(format!("{} has {name} {}", candidate.offer.archive, candidate.version));
            }
            for refused in &package.refused {
                let candidate = &refused.candidate;
                others
                    .push(format!("{} has {name} {}", candidate.offer.archive, candidate.version));
            }
        }
        if others.is_empty() {
            self.hints.missing(&relation.name);
            return Ok(format!("no archive has {}", relation.name));
        }
        others.truncate(4);
        Ok(others.join(", "))
    }
}

/// Returns a request in the form of a dependency.
fn wanted(request: &Request) -> Alternatives {
    let bound = request.version.clone().map(crate::types::relation::Bound::exactly);
    let relation = Relation { name: request.name.clone(), qualifier: Qualifier::Same, bound };
    Alternatives::one(relation)
}

fn refusal(refused: &super::policy::Refused, upgrades: Upgrades) -> String {
    let candidate = &refused.candidate;
    let (name, version, offer) = (&candidate.name, &candidate.version, &candidate.offer);
    match &refused.why {
        Refusal::Never => {
            format!("{} has {version}, but its priority is {}", offer.archive, offer.pin.0)
        }
        Refusal::Outweighed { by, archive } => format!(
            "{} has {version}, but its priority {} gives way to the {} of {archive}",
            offer.archive, offer.pin.0, by.0
        ),
        Refusal::NotAsked(asked) => format!("`{name}={asked}` is requested"),
        Refusal::Older(present) => {
            format!("the node has {name} {present}, and packages are never downgraded")
        }
        Refusal::Stays(present, Stay::Never) => {
            format!("the node has {name} {present}, and `upgrades = \"{upgrades}\"`")
        }
        Refusal::Stays(present, Stay::Held) => {
            format!("the node has {name} {present}, which is on hold")
        }
        Refusal::Stays(present, Stay::Protected) => {
            format!("the node has {name} {present}, which is never changed")
        }
    }
}
