//! The verdicts of the library and the programs on a bundle.

use std::error::Error;
use std::fs;

use anyhow::Result;
use camino::Utf8Path;
use vgpu_keys::Policy;
use vgpu_manifest::Bundle;
use vgpu_tests::sample::Sample;
use vgpu_tests::scratch::{self, Scratch};
use vgpu_tests::tree::Snapshot;

use crate::hostile::case::{Case, Verifiers};

/// The verifiers, where one principal must sign and where two must.
pub(crate) struct Judge([Bench; 2]);

/// The library, the laptop and the node, all with the same policy.
struct Bench {
    policy: Policy,
    threshold: String,
    programs: Scratch,
}

impl Judge {
    pub(crate) fn new(sample: &Sample) -> Result<Self> {
        Ok(Self([Bench::new(sample, 1)?, Bench::new(sample, 2)?]))
    }

    /// Checks that the base bundle of the collection is accepted.
    pub(crate) fn expect_good(&self, good: &Utf8Path) {
        let bench = &self.0[0];
        assert_eq!(bench.library(good), (0, String::new()));
        for (who, command) in bench.programs(good) {
            let said = scratch::run(command);
            assert_eq!(said.code, Some(0), "{who}: {}{}", said.out, said.err);
        }
    }

    /// Returns the differences between the verdicts on the bundle of `case` and its expectations.
    pub(crate) fn problems(&self, case: &Case, made: &Utf8Path) -> Vec<String> {
        let bench = &self.0[case.threshold - 1];
        let (code, said) = bench.library(made);
        // The library has no exit code; it accepts or refuses.
        let expected = i32::from(case.code != 0);
        let mut problems = disagreements("the library", case, code, expected, &said);

        let everywhere = bench.programs.path("");
        let before = Snapshot::of(&everywhere, &[]).unwrap();
        for (who, command) in bench.programs(made) {
            if case.verifiers == Verifiers::Node && who == "vgpu-bundler" {
                continue;
            }
            let said = scratch::run(command);
            let code = said.code.unwrap_or(-1);
            let text = format!("{}{}", said.out, said.err);
            problems.extend(disagreements(who, case, code, case.code, &text));
        }
        let written = before.differences(&Snapshot::of(&everywhere, &[]).unwrap());
        problems.extend(written.into_iter().map(|line| format!("something was written: {line}")));
        problems
    }
}

impl Bench {
    fn new(sample: &Sample, threshold: usize) -> Result<Self> {
        let programs = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        let node = programs.path("node/etc/vgpu-offline");
        fs::create_dir_all(&node)?;
        fs::write(node.join("policy.toml"), sample.policy_text(threshold)?)?;
        let laptop = programs.path("config/vgpu-offline");
        fs::create_dir_all(&laptop)?;
        fs::write(laptop.join("allowed_signers"), sample.allowed_signers()?)?;
        fs::write(laptop.join("revoked_keys"), sample.revoked_keys()?)?;
        for folder in ["cache", "home", "tmp"] {
            fs::create_dir(programs.path(folder))?;
        }
        Ok(Self { policy: sample.policy(threshold)?, threshold: threshold.to_string(), programs })
    }

    /// Verifies frame, signatures, manifest and payload, and returns 0 or 1 and the error with its
    /// causes.
    fn library(&self, bundle: &Utf8Path) -> (i32, String) {
        let verified = Bundle::open(bundle).and_then(|bundle| {
            let last = bundle.successors(&self.policy)?.pop();
            bundle.verify(last.as_ref().map_or(&self.policy, |last| &last.policy))
        });
        let checked = verified
            .map_err(|error| chain(&error))
            .and_then(|bundle| bundle.check_deep(&|_| {}).map_err(|error| chain(&error)));
        checked.map_or_else(|said| (1, said), |()| (0, String::new()))
    }

    /// Returns the commands that verify the bundle.
    fn programs(&self, bundle: &Utf8Path) -> [(&'static str, std::process::Command); 2] {
        let words = ["verify", bundle.as_str()];
        let mut bundler = self.programs.bundler(&words);
        bundler.args(["--threshold", &self.threshold]).env("TMPDIR", self.programs.path("tmp"));
        let mut installer = self.programs.installer(&words);
        installer.env("TMPDIR", self.programs.path("tmp"));
        [("vgpu-bundler", bundler), ("vgpu-installer", installer)]
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let reasons = std::iter::successors(Some(error), |&error| error.source());
    reasons.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn disagreements(who: &str, case: &Case, code: i32, expected: i32, said: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if code != expected {
        problems.push(format!("{who} ends with {code} instead of {expected}: {said:?}"));
    }
    for words in case.words.iter().filter(|words| !said.contains(*words)) {
        problems.push(format!("{who} does not say {words:?}: {said:?}"));
    }
    if said.chars().any(|c| c.is_control() && c != '\n') {
        problems.push(format!("{who} sends control characters to the terminal: {said:?}"));
    }
    problems
}
