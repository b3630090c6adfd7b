//! Cases of the collection of hostile bundles.

use std::fs;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::sample::Sample;

/// The programs that a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verifiers {
    All,
    Node,
}

/// One malformed or malicious bundle.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) folder: Utf8PathBuf,
    /// The number of principals that must sign.
    pub(crate) threshold: usize,
    /// The expected exit code of the programs.
    pub(crate) code: i32,
    /// Whether only a node can judge, because the laptop has no versioned policy.
    pub(crate) verifiers: Verifiers,
    /// Fragments that the error must contain.
    pub(crate) words: Vec<String>,
}

impl Case {
    /// Returns the whole collection, ordered by name.
    pub(crate) fn all() -> Vec<Self> {
        let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile");
        let entries = folder.read_dir_utf8().unwrap().map(Result::unwrap);
        let mut cases: Vec<Self> =
            entries.filter(|entry| entry.path().is_dir()).map(|e| Self::read(e.path())).collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    fn read(folder: &Utf8Path) -> Self {
        let expect = fs::read_to_string(folder.join("expect")).unwrap();
        let mut lines = expect.lines().map(str::to_owned);
        let threshold = fs::read_to_string(folder.join("threshold"));
        Self {
            name: folder.file_name().unwrap().to_owned(),
            folder: folder.to_owned(),
            threshold: threshold.map_or(1, |text| text.trim().parse().unwrap()),
            code: lines.next().unwrap().parse().unwrap(),
            verifiers: match fs::read_to_string(folder.join("only")) {
                Ok(text) if text == "node\n" => Verifiers::Node,
                Ok(text) => panic!("{text:?}"),
                Err(_) => Verifiers::All,
            },
            words: lines.collect(),
        }
    }

    /// Runs the script in its own folder and returns the path of the bundle, or the script's output
    /// on failure.
    pub(crate) fn make(&self, sample: &Sample, good: &Utf8Path) -> Result<Utf8PathBuf, String> {
        let scratch = sample.path("scratch").join(&self.name);
        fs::create_dir_all(&scratch).unwrap();
        let made = sample.path("made").join(format!("{}.vgpu.tar", self.name));
        fs::create_dir_all(made.parent().unwrap()).unwrap();
        let mut command = Command::new("sh");
        command.arg(self.folder.join("make.sh")).args([good, &sample.keys().join("alice"), &made]);
        let output = command.current_dir(&scratch).output().unwrap();
        fs::remove_dir_all(&scratch).unwrap();
        if !output.status.success() {
            return Err(format!("make.sh failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let first_part = Utf8PathBuf::from(format!("{made}.001"));
        Ok(if first_part.exists() { first_part } else { made })
    }
}
