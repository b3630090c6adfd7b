//! The report of a node, from `vgpu-installer report`.

use anyhow::{Context as _, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use vgpu_keys::{Policy, Principal, PublicKey, Role, Signature};
use vgpu_manifest::mapping::NodeMapping;
use vgpu_manifest::ui::Exit;
use vgpu_manifest::{Digest, Holding};

use crate::bounded;
use crate::ui::Advise as _;

/// The largest report, in bytes.
const MAX_REPORT: u64 = 16 << 20;

/// The only report schema that this program reads.
const SCHEMA: u32 = 1;

#[derive(Debug)]
pub(crate) struct Report {
    /// The host name, or else the name of the file.
    pub(crate) node: String,
    /// The digest of the comparable part.
    pub(crate) digest: Digest,
    pub(crate) signed: Signed,
    /// The time of the report, by the node's clock.
    pub(crate) written: Option<String>,
    /// The contents of the node's store; `None` if the report does not list them.
    pub(crate) holdings: Option<Vec<Holding>>,
    /// The devices of its GPUs with vGPUs; none in reports of earlier installers.
    pub(super) mappings: Vec<NodeMapping>,
    /// The text of the comparable part.
    comparable: Box<RawValue>,
    /// The text of the checks of the host; reports of earlier installers have none.
    proof: Option<Box<RawValue>>,
}

/// The signature of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signed {
    No,
    /// Signed by an unknown key.
    Unknown(PublicKey),
    /// Signed by a principal that may sign reports.
    By(Principal),
}

/// The JSON form of a report.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'d> {
    schema: u32,
    digest: Digest,
    #[serde(borrow)]
    comparable: &'d RawValue,
    this_node: ThisNode,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ThisNode {
    host_name: Option<String>,
    written: Option<String>,
    store: Option<Vec<Holding>>,
    #[serde(default)]
    mappings: Vec<NodeMapping>,
    proof: Option<Box<RawValue>>,
}

impl Report {
    /// Reads the report at `path`, and its signature from the file with `.sig` appended, if any.
    ///
    /// An invalid signature is an error. [`Signed`] tells whose signature it is.
    pub(crate) fn read(path: &Utf8Path, policy: Option<&Policy>) -> anyhow::Result<Self> {
        let text = read(path)?;
        let mut report = Self::parse(path, &text)?;
        let beside = Utf8PathBuf::from(format!("{path}.sig"));
        if beside.exists() {
            let armor = read(&beside)?;
            report.signed = signed(path, &beside, armor.as_bytes(), text.as_bytes(), policy)?;
        }
        Ok(report)
    }

    fn parse(path: &Utf8Path, text: &str) -> anyhow::Result<Self> {
        let malformed = |error: serde_json::Error| {
            anyhow!("`{path}` is not a report: {}", error.to_string().escape_debug())
        };
        let document: Document<'_> = serde_json::from_str(text).map_err(malformed)?;
        let found = document.schema;
        if found != SCHEMA {
            bail!("the report `{path}` has schema {found}, but this program reads {SCHEMA}");
        }
        // The installer computes the digest before it adds white space.
        if Digest::of(compact(document.comparable.get()).as_bytes()) != document.digest {
            let message =
                format!("the report `{path}` was changed after it was written: digest mismatch");
            return Err(Exit::Untrusted.error(message).into());
        }
        let file = path.file_stem().unwrap_or(path.as_str());
        let ThisNode { host_name, written, store, mappings, proof } = document.this_node;
        Ok(Self {
            node: host_name.unwrap_or_else(|| file.to_owned()),
            digest: document.digest,
            signed: Signed::No,
            written,
            holdings: store,
            mappings,
            comparable: document.comparable.to_owned(),
            proof,
        })
    }

    /// Returns the comparable part: as a `Value`, or as the fields that a type has.
    pub(crate) fn comparable<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        parsed(&self.comparable)
    }

    /// Returns the checks of the host, if the report has them.
    pub(crate) fn proof<T: DeserializeOwned>(&self) -> anyhow::Result<Option<T>> {
        self.proof.as_deref().map(parsed).transpose()
    }

    /// Returns the report of a node with these facts.
    #[cfg(test)]
    pub(super) fn of(node: &str, comparable: &serde_json::Value) -> Self {
        let comparable = RawValue::from_string(comparable.to_string()).unwrap();
        let digest = Digest::of(comparable.get().as_bytes());
        let (node, signed) = (node.to_owned(), Signed::No);
        let (written, holdings, mappings, proof) = (None, None, Vec::new(), None);
        Self { node, digest, signed, written, holdings, mappings, comparable, proof }
    }
}

fn parsed<T: DeserializeOwned>(json: &RawValue) -> anyhow::Result<T> {
    let malformed = |error: serde_json::Error| {
        anyhow!("not a report of this version: {}", error.to_string().escape_debug())
    };
    serde_json::from_str(json.get()).map_err(malformed)
}

fn read(path: &Utf8Path) -> anyhow::Result<String> {
    bounded::read_text(path, MAX_REPORT).with_context(|| format!("cannot read the report `{path}`"))
}

fn signed(
    path: &Utf8Path,
    signature_path: &Utf8Path,
    armor: &[u8],
    text: &[u8],
    policy: Option<&Policy>,
) -> anyhow::Result<Signed> {
    let signature = Signature::from_armor(armor)
        .with_context(|| format!("`{signature_path}` is not the signature of a report"))
        .exit(Exit::Untrusted)?;
    signature
        .verify(Role::Report, text)
        .with_context(|| format!("the signature of the report `{path}` is invalid"))
        .exit(Exit::Untrusted)?;
    let judged = policy.map(|it| it.judge(Role::Report, text, std::slice::from_ref(&signature)));
    let who = judged.and_then(Result::ok).and_then(|it| it.principals.into_iter().next());
    Ok(who.map_or_else(|| Signed::Unknown(*signature.key()), Signed::By))
}

/// Returns JSON without white space between its tokens.
fn compact(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for c in json.chars() {
        if in_text || !c.is_ascii_whitespace() {
            compact.push(c);
        }
        in_text = match c {
            '"' if !escaped => !in_text,
            _ => in_text,
        };
        escaped = in_text && c == '\\' && !escaped;
    }
    compact
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use vgpu_manifest::ui;

    use super::*;

    #[test]
    fn spaces_outside_of_texts_go() {
        let pretty = "{\n  \"a b\": [1, \"c \\\" d\", \"\\\\\"],\n\t\"e\": {}\r\n}";
        let value: Value = serde_json::from_str(pretty).unwrap();
        assert_eq!(compact(pretty), value.to_string());
    }

    #[test]
    fn a_report_that_was_changed_is_noticed() {
        let report = |comparable: &str, digest: &str| {
            let text = format!(
                r#"{{ "schema": 1, "digest": "{digest}", "comparable": {comparable},
                      "this-node": {{ "host-name": "pve1", "written": "now" }} }}"#
            );
            Report::parse(Utf8Path::new("a.json"), &text)
        };
        let digest = Digest::of(br#"{"z":1,"a":"x y"}"#).to_string();
        let good = report(r#"{ "z": 1, "a": "x y" }"#, &digest).unwrap();
        assert_eq!(good.node, "pve1");
        let changed = report(r#"{ "z": 2, "a": "x y" }"#, &digest).unwrap_err();
        let status = |error: anyhow::Error| ui::Report::of(error.as_ref(), &[]).exit;
        assert_eq!(status(changed), Exit::Untrusted);
        assert_eq!(status(report("{", &digest).unwrap_err()), Exit::Failed);
    }
}
