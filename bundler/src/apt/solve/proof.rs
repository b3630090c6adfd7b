//! Minimizes a contradiction to the few clauses that cause it.

use super::engine::{Contradiction, Engine, Lit, Var};
use super::pool::VersionId;
use super::rules::{Rule, Rules};

/// A minimal set of clauses that contradict each other.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) clauses: Vec<(Rule, Vec<Lit>)>,
}

/// The limit of clauses for minimization; above it, removing them one by one takes too long.
const MOST: usize = 600;

/// The consequences of assuming some versions.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// In the order of derivation: the literals and the clauses that imply them.
    pub(super) known: Vec<(Lit, Option<usize>)>,
    /// A violated clause.
    pub(super) conflict: Option<usize>,
}

impl Proof {
    pub(super) fn of(rules: &Rules, contradiction: Contradiction) -> Self {
        let core = rules.engine.core(contradiction);
        let clauses = core
            .into_iter()
            .filter_map(|id| Some((rules.rule(id)?.clone(), rules.engine.lits(id).to_vec())));
        let mut proof = Self { clauses: clauses.collect() };
        let mut at = proof.clauses.len();
        while at > 0 && proof.clauses.len() <= MOST {
            at -= 1;
            let without = proof.clauses.remove(at);
            if proof.has_a_way_out() {
                proof.clauses.insert(at, without);
            }
        }
        proof
    }

    fn has_a_way_out(&self) -> bool {
        let mut engine = Engine::default();
        let lits = || self.clauses.iter().flat_map(|(_, lits)| lits);
        let mut vars: Vec<Var> = lits().map(|lit| lit.var()).collect();
        vars.sort_unstable();
        vars.dedup();
        if let Some(last) = vars.last() {
            engine.reserve(*last);
        }
        let added = self.clauses.iter().try_for_each(|(_, lits)| engine.add(lits.clone()));
        let mut solve = || {
            added?;
            loop {
                engine.propagate()?;
                let open = vars.iter().find(|var| engine.value(**var).is_none());
                let Some(var) = open else { return Ok::<(), Contradiction>(()) };
                engine.decide(var.no());
            }
        };
        solve().is_ok()
    }

    /// Returns the consequences of all clauses but one, if these versions are installed.
    pub(super) fn consequences(&self, but: usize, there: &[VersionId]) -> Consequences {
        let mut found = Consequences::default();
        found.known.extend(there.iter().map(|version| (version.var().yes(), None)));
        loop {
            let before = found.known.len();
            for (at, (_, lits)) in self.clauses.iter().enumerate().filter(|(at, _)| *at != but) {
                let mut open = lits.iter().filter(|lit| found.value(**lit).is_none());
                let (first, second) = (open.next(), open.next());
                let holds = lits.iter().any(|lit| found.value(*lit) == Some(true));
                match (holds, first, second) {
                    (false, None, _) => {
                        found.conflict = Some(at);
                        return found;
                    }
                    (false, Some(only), None) => found.known.push((*only, Some(at))),
                    _ => {}
                }
            }
            if found.known.len() == before {
                return found;
            }
        }
    }
}

impl Consequences {
    pub(super) fn value(&self, lit: Lit) -> Option<bool> {
        let known = self.known.iter().find(|(known, _)| known.var() == lit.var());
        known.map(|(known, _)| *known == lit)
    }

    /// Returns the clauses that lead to a conflict, in the order of derivation.
    pub(super) fn chain(&self, conflict: usize, proof: &Proof) -> Vec<usize> {
        let mut wanted = vec![false; proof.clauses.len()];
        let mut queue = vec![conflict];
        while let Some(clause) = queue.pop() {
            if std::mem::replace(&mut wanted[clause], true) {
                continue;
            }
            for lit in &proof.clauses[clause].1 {
                let known = self.known.iter().find(|(known, _)| known.var() == lit.var());
                queue.extend(known.and_then(|(_, by)| *by));
            }
        }
        let steps = self.known.iter().filter_map(|(_, by)| *by).filter(|by| wanted[*by]);
        let steps = steps.filter(|by| *by != conflict);
        steps.chain([conflict]).collect()
    }
}
