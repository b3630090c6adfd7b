//! What our library and our programs say of a bundle.

use std::error::Error;

use anyhow::Result;
use camino::Utf8Path;
use vgpu_keys::Policy;
use vgpu_manifest::Bundle;
use vgpu_tests::sample::Sample;

use crate::hostile::case::Case;

/// Those who say whether a bundle is good.
pub(crate) struct Judge {
    /// The policies that ask for one and for two principals.
    policies: [Policy; 2],
}

impl Judge {
    pub(crate) fn new(sample: &Sample) -> Result<Self> {
        Ok(Self { policies: [sample.policy(1)?, sample.policy(2)?] })
    }

    /// The bundle that all others are made of is good.
    pub(crate) fn expect_good(&self, good: &Utf8Path) {
        assert_eq!(library(good, &self.policies[0]), Ok(()));
    }

    /// In what the verdicts on the bundle that `case` made differ from what it expects.
    pub(crate) fn problems(&self, case: &Case, made: &Utf8Path) -> Vec<String> {
        let verdict = library(made, &self.policies[case.threshold - 1]);
        let code = if verdict.is_ok() { 0 } else { 3 };
        let said = verdict.err().unwrap_or_default();
        disagreements("the library", case, code, &said)
    }
}

/// Frame, signatures, manifest and payload; the error with all its reasons.
fn library(bundle: &Utf8Path, policy: &Policy) -> Result<(), String> {
    let verified = Bundle::open(bundle).and_then(|bundle| bundle.verify(policy));
    verified.map_err(|error| chain(&error))?.check_deep(&|_| {}).map_err(|error| chain(&error))
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let reasons = std::iter::successors(Some(error), |&error| error.source());
    reasons.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn disagreements(who: &str, case: &Case, code: i32, said: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if code != case.code {
        problems.push(format!("{who} ends with {code} instead of {}: {said:?}", case.code));
    }
    for words in case.words.iter().filter(|words| !said.contains(*words)) {
        problems.push(format!("{who} does not say {words:?}: {said:?}"));
    }
    if said.chars().any(|c| c.is_control() && c != '\n') {
        problems.push(format!("{who} sends control characters to the terminal: {said:?}"));
    }
    problems
}
