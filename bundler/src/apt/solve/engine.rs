//! Conflict-driven clause learning over clauses without any knowledge of packages.
//!
//! Clauses may be added at any time, so that the search can load packages on demand. Every learned
//! clause records its sources, so that a contradiction can be traced back to the original clauses.

/// A Boolean variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Var(pub(super) u32);

/// A literal: a variable or its negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lit(u32);

/// The number of a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClauseId(usize);

/// No assignment satisfies every clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contradiction(ClauseId);

#[derive(Debug)]
struct Clause {
    /// The first two literals are watched.
    lits: Vec<Lit>,
    /// The clauses that it was learned from; empty for an original clause.
    from: Vec<ClauseId>,
}

#[derive(Debug, Clone, Copy)]
struct Assigned {
    positive: bool,
    level: usize,
    reason: Option<ClauseId>,
}

/// The clauses and the partial assignment.
#[derive(Debug, Default)]
pub(super) struct Engine {
    clauses: Vec<Clause>,
    /// By literal: the clauses to check when it becomes false.
    watches: Vec<Vec<ClauseId>>,
    assigned: Vec<Option<Assigned>>,
    trail: Vec<Lit>,
    /// The position in the trail where each decision level begins.
    levels: Vec<usize>,
    /// The position in the trail up to which literals have been propagated.
    head: usize,
}

impl Var {
    pub(super) const fn yes(self) -> Lit {
        Lit(self.0 << 1)
    }

    pub(super) const fn no(self) -> Lit {
        Lit(self.0 << 1 | 1)
    }
}

impl Lit {
    pub(super) const fn var(self) -> Var {
        Var(self.0 >> 1)
    }

    pub(super) const fn is_positive(self) -> bool {
        self.0 & 1 == 0
    }

    const fn opposite(self) -> Self {
        Self(self.0 ^ 1)
    }

    const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Engine {
    /// Creates variables up to this one.
    pub(super) fn reserve(&mut self, var: Var) {
        let count = var.0 as usize + 1;
        if self.assigned.len() < count {
            self.assigned.resize(count, None);
            self.watches.resize_with(2 * count, Vec::new);
        }
    }

    /// Returns the number of the next clause.
    pub(super) fn next(&self) -> ClauseId {
        ClauseId(self.clauses.len())
    }

    /// Returns the current value of a variable.
    pub(super) fn value(&self, var: Var) -> Option<bool> {
        self.assigned[var.0 as usize].map(|assigned| assigned.positive)
    }

    /// Returns whether a literal is true or unassigned.
    pub(super) fn is(&self, lit: Lit) -> Option<bool> {
        self.value(lit.var()).map(|positive| positive == lit.is_positive())
    }

    /// Returns the current decision level.
    pub(super) fn level(&self) -> usize {
        self.levels.len()
    }

    /// Returns all true literals in the order of their assignment.
    pub(super) fn trail(&self) -> &[Lit] {
        &self.trail
    }

    /// Returns the decision level at which a literal was assigned; unassigned literals sort last.
    fn level_of(&self, lit: Lit) -> usize {
        self.assigned[lit.var().0 as usize].map_or(usize::MAX, |assigned| assigned.level)
    }

    /// Adds an original clause. Backtracks until the clause is not violated.
    pub(super) fn add(&mut self, mut lits: Vec<Lit>) -> Result<(), Contradiction> {
        lits.sort_unstable();
        lits.dedup();
        if lits.len() < 2 {
            self.backtrack(0);
        }
        let id = self.insert(lits, Vec::new());
        let lits = &self.clauses[id.0].lits;
        let open = lits.iter().filter(|lit| self.is(**lit) != Some(false)).count();
        let first = lits.first().copied();
        match (open, first) {
            (0, _) => self.learn(id),
            (1, Some(first)) if self.is(first).is_none() => {
                self.assign(first, Some(id));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Stores a clause, with false literals last, and watches the first two.
    fn insert(&mut self, mut lits: Vec<Lit>, from: Vec<ClauseId>) -> ClauseId {
        let id = ClauseId(self.clauses.len());
        lits.sort_by_key(|lit| {
            let rank = if self.is(*lit) == Some(false) { self.level_of(*lit) } else { usize::MAX };
            std::cmp::Reverse(rank)
        });
        if lits.len() > 1 {
            for lit in &lits[..2] {
                self.watches[lit.index()].push(id);
            }
        }
        self.clauses.push(Clause { lits, from });
        id
    }

    /// Assigns a literal as a new decision.
    pub(super) fn decide(&mut self, lit: Lit) {
        self.levels.push(self.trail.len());
        if self.is(lit).is_none() {
            self.assign(lit, None);
        }
    }

    fn assign(&mut self, lit: Lit, reason: Option<ClauseId>) {
        let assigned = Assigned { positive: lit.is_positive(), level: self.level(), reason };
        self.assigned[lit.var().0 as usize] = Some(assigned);
        self.trail.push(lit);
    }

    /// Backtracks to this level.
    pub(super) fn backtrack(&mut self, level: usize) {
        if let Some(start) = self.levels.get(level).copied() {
            for lit in self.trail.drain(start..) {
                self.assigned[lit.var().0 as usize] = None;
            }
            self.levels.truncate(level);
            self.head = self.head.min(start);
        }
    }

    /// Propagates all unit clauses; backtracks and learns from every conflict.
    pub(super) fn propagate(&mut self) -> Result<(), Contradiction> {
        while let Some(lit) = self.trail.get(self.head).copied() {
            self.head += 1;
            if let Some(conflict) = self.visit(lit.opposite()) {
                self.learn(conflict)?;
            }
        }
        Ok(())
    }

    /// Checks the clauses that watch a newly false literal, and returns a violated one.
    fn visit(&mut self, falsified: Lit) -> Option<ClauseId> {
        let watching = std::mem::take(&mut self.watches[falsified.index()]);
        let mut conflict = None;
        let mut kept = Vec::with_capacity(watching.len());
        for (at, id) in watching.iter().copied().enumerate() {
            if self.rewatch(id, falsified) {
                continue;
            }
            let first = self.clauses[id.0].lits[0];
            match self.is(first) {
                Some(true) => kept.push(id),
                None => {
                    kept.push(id);
                    self.assign(first, Some(id));
                }
                Some(false) => {
                    kept.extend(&watching[at..]);
                    conflict = Some(id);
                    break;
                }
            }
        }
        self.watches[falsified.index()].extend(kept);
        conflict
    }

    /// Watches another literal of a clause. If there is none, its first literal is implied.
    fn rewatch(&mut self, id: ClauseId, falsified: Lit) -> bool {
        let lits = &mut self.clauses[id.0].lits;
        if lits[0] == falsified {
            lits.swap(0, 1);
        }
        let lits = &self.clauses[id.0].lits;
        if self.is(lits[0]) == Some(true) {
            return false;
        }
        let other = (2..lits.len()).find(|at| self.is(lits[*at]) != Some(false));
        let Some(other) = other else { return false };
        let lits = &mut self.clauses[id.0].lits;
        lits.swap(1, other);
        self.watches[lits[1].index()].push(id);
        true
    }

    /// Analyzes a violated clause, backtracks, and learns which decisions exclude each other.
    fn learn(&mut self, conflict: ClauseId) -> Result<(), Contradiction> {
        let lits = &self.clauses[conflict.0].lits;
        let level = lits.iter().map(|lit| self.level_of(*lit)).max().unwrap_or(0);
        if level == 0 {
            return Err(Contradiction(conflict));
        }
        self.backtrack(level);
        let (lits, from) = self.resolve(conflict, level);
        let back = lits[1..].iter().map(|lit| self.level_of(*lit)).max().unwrap_or(0);
        self.backtrack(back);
        let asserting = lits[0];
        let id = self.insert(lits, from);
        self.assign(asserting, Some(id));
        Ok(())
    }

    /// Resolves the literals of this level with their reasons until one is left, the first of the
    /// learned clause (first unique implication point).
    fn resolve(&self, conflict: ClauseId, level: usize) -> (Vec<Lit>, Vec<ClauseId>) {
        let mut found = Resolution { seen: vec![false; self.assigned.len()], ..Default::default() };
        self.absorb(conflict, level, &mut found);
        for lit in self.trail.iter().rev() {
            let Some(assigned) = self.assigned[lit.var().0 as usize] else { continue };
            if !found.seen[lit.var().0 as usize] {
                continue;
            }
            found.open -= 1;
            if found.open == 0 {
                found.learned.insert(0, lit.opposite());
                break;
            }
            if let Some(reason) = assigned.reason {
                self.absorb(reason, level, &mut found);
            }
        }
        (found.learned, found.from)
    }

    fn absorb(&self, clause: ClauseId, level: usize, found: &mut Resolution) {
        found.from.push(clause);
        for lit in &self.clauses[clause.0].lits {
            if std::mem::replace(&mut found.seen[lit.var().0 as usize], true) {
                continue;
            }
            match self.level_of(*lit) {
                // Assigned at level 0; `core` traces it.
                0 => {}
                own if own == level => found.open += 1,
                _ => found.learned.push(*lit),
            }
        }
    }

    /// Returns the original clauses from which a contradiction follows, in their order. The set may
    /// not be minimal.
    pub(super) fn core(&self, Contradiction(conflict): Contradiction) -> Vec<ClauseId> {
        let mut seen = vec![false; self.clauses.len()];
        let mut queue = vec![conflict];
        while let Some(id) = queue.pop() {
            if std::mem::replace(&mut seen[id.0], true) {
                continue;
            }
            let clause = &self.clauses[id.0];
            queue.extend(&clause.from);
            for lit in clause.lits.iter().filter(|lit| self.level_of(**lit) == 0) {
                queue.extend(self.assigned[lit.var().0 as usize].and_then(|own| own.reason));
            }
        }
        let outside = |id: &ClauseId| seen[id.0] && self.clauses[id.0].from.is_empty();
        (0..self.clauses.len()).map(ClauseId).filter(outside).collect()
    }

    /// Returns the literals of a clause.
    pub(super) fn lits(&self, id: ClauseId) -> &[Lit] {
        &self.clauses[id.0].lits
    }
}

/// The state of a conflict analysis.
#[derive(Debug, Default)]
struct Resolution {
    seen: Vec<bool>,
    /// Literals of earlier levels.
    learned: Vec<Lit>,
    from: Vec<ClauseId>,
    /// The number of literals of the current level that are still to be resolved.
    open: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decides the lowest unassigned variable until none is left.
    fn solve(engine: &mut Engine, vars: u32) -> Result<(), Contradiction> {
        loop {
            engine.propagate()?;
            let open = (0..vars).map(Var).find(|var| engine.value(*var).is_none());
            let Some(var) = open else { return Ok(()) };
            engine.decide(var.yes());
        }
    }

    fn lit(number: i8) -> Lit {
        let var = Var(u32::from(number.unsigned_abs()) - 1);
        if number > 0 { var.yes() } else { var.no() }
    }

    const VARS: u32 = 7;

    /// Returns whether any assignment satisfies all clauses.
    fn by_force(clauses: &[Vec<i8>]) -> bool {
        let holds =
            |bits: u32, number: i8| (bits >> (number.unsigned_abs() - 1) & 1 == 1) == (number > 0);
        (0..1_u32 << VARS)
            .any(|bits| clauses.iter().all(|clause| clause.iter().any(|n| holds(bits, *n))))
    }

    fn number() -> impl Strategy<Value = i8> {
        (1..=7_i8, any::<bool>()).prop_map(|(n, positive)| if positive { n } else { -n })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        /// Adds clauses before and between decisions, as the solver does.
        #[test]
        fn it_agrees_with_trying_everything(
            clauses in prop::collection::vec(prop::collection::vec(number(), 0..4), 0..40),
            before in 0..40_usize,
        ) {
            let mut engine = Engine::default();
            engine.reserve(Var(VARS - 1));
            let (first, rest) = clauses.split_at(before.min(clauses.len()));
            let add = |engine: &mut Engine, clause: &Vec<i8>| {
                engine.add(clause.iter().copied().map(lit).collect())
            };
            let mut run = || {
                for clause in first {
                    add(&mut engine, clause)?;
                }
                for clause in rest {
                    solve(&mut engine, VARS)?;
                    add(&mut engine, clause)?;
                }
                solve(&mut engine, VARS)
            };
            match run() {
                Ok(()) => {
                    for clause in &clauses {
                        let mut holds = clause.iter().copied().map(lit);
                        prop_assert!(holds.any(|lit| engine.is(lit) == Some(true)));
                    }
                }
                Err(contradiction) => {
                    prop_assert!(!by_force(&clauses));
                    let core: Vec<Vec<i8>> = engine.core(contradiction).iter().map(|id| {
                        let number = |lit: &Lit| {
                            let var = i8::try_from(lit.var().0 + 1).unwrap();
                            if lit.is_positive() { var } else { -var }
                        };
                        engine.lits(*id).iter().map(number).collect()
                    }).collect();
                    prop_assert!(!by_force(&core), "the core alone is no contradiction");
                }
            }
        }
    }
}
