//! A reviewed plan: a saved document, so that exactly this plan is applied.
//!
//! It contains all inputs of the plan and all of its results. If any of them differs when the plan
//! is applied, the changes would not be those that were reviewed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::{Digest, printable};

use super::{Choices, GuestTools, Plan, Resume};
use crate::act::Change;
use crate::gpus::GpuChoice;
use crate::step::Step;

/// The schema version of the document, and the only one that this program reads.
const SCHEMA: u32 = 1;

/// The largest document that is read. A host with every Debian package installed takes 16 MiB.
pub(crate) const MAX_REVIEW: u64 = 32 << 20;

/// The maximum number of differences to show.
const SHOWN: usize = 20;

/// A plan, with everything that it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::struct_field_names, reason = "`review` is the name in the document")]
pub(crate) struct Review {
    /// The digest of the bundle's signed root.
    #[serde(rename = "digest")]
    pub(crate) bundle: Digest,
    /// The changes, as the journal would record them.
    pub(crate) changes: Vec<Change>,
    /// The inputs.
    pub(crate) review: Basis,
}

/// The inputs of a plan, and all of its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Basis {
    schema: u32,
    /// The operator's choices for the host's GPUs.
    pub(crate) gpus: GpuChoice,
    /// How to handle guest tools.
    #[serde(default)]
    pub(crate) guest_tools: GuestTools,
    /// How the apply resumes after the reboot.
    pub(crate) resume: Resume,
    /// The host's facts, without volatile ones.
    pub(crate) facts: Inventory,
    /// All steps, including those in sync.
    pub(crate) plan: Plan,
}

/// The document is not a plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ReviewError {
    /// It has another version.
    #[error(
        "the plan has schema {0}, but this program reads {SCHEMA}; create it again: `plan \
            --output`"
    )]
    Schema(u64),
    /// It is not UTF-8.
    #[error("not a plan from `vgpu-installer plan --output`: not UTF-8")]
    Encoding,
    /// It is not a plan that this program writes.
    #[error("not a plan from `vgpu-installer plan --output`: {}", printable(&.0.to_string()))]
    Syntax(#[from] serde_json::Error),
}

/// The reviewed plan is out of date.
#[derive(Debug, thiserror::Error)]
#[error("the plan differs from the reviewed one in:\n{}", .0.join("\n"))]
pub(crate) struct NotReviewed(Vec<String>);

impl Basis {
    /// Returns the inputs of `plan`.
    #[must_use]
    pub(crate) fn new(choices: &Choices, resume: Resume, facts: Inventory, plan: Plan) -> Self {
        let Choices { gpus, guest_tools, .. } = choices.clone();
        let mut facts = facts;
        // Free space is volatile; it is checked again before any write.
        facts.root.free.clear();
        Self { schema: SCHEMA, gpus, guest_tools, resume, facts, plan }
    }
}

/// A reviewed document.
#[derive(Debug)]
pub(crate) struct Reviewed {
    text: String,
    pub(crate) review: Review,
}

impl Reviewed {
    /// Parses a document.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, ReviewError> {
        let text = String::from_utf8(bytes).map_err(|_| ReviewError::Encoding)?;
        let value: Value = serde_json::from_str(&text)?;
        let schema = value.get("review").and_then(|review| review.get("schema")?.as_u64());
        match schema {
            Some(schema) if schema != u64::from(SCHEMA) => Err(ReviewError::Schema(schema)),
            _ => Ok(Self { text, review: serde_json::from_value(value)? }),
        }
    }

    /// Fails if anything in the document of `now` differs, and lists the differences.
    ///
    /// The texts are compared: every field counts, also those that are only for people, and a field
    /// that is there twice cannot show a reviewer one value and this program another.
    pub(crate) fn check(&self, text: &str, now: &Review) -> Result<(), NotReviewed> {
        if self.text == text {
            return Ok(());
        }
        let mut lines = self.review.differences(now);
        if lines.is_empty() {
            let [then, now] = [&self.text, text].map(serde_json::from_str);
            if let (Ok(then), Ok(now)) = (then, now) {
                compare("", &then, &now, &mut lines);
            }
        }
        if lines.is_empty() {
            lines.push("  the form: it was edited or reformatted after it was written".to_owned());
        }
        let more = lines.len().saturating_sub(SHOWN);
        lines.truncate(SHOWN);
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
        Err(NotReviewed(lines))
    }
}

impl Review {
    /// Lists the differences.
    fn differences(&self, now: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.bundle != now.bundle {
            lines.push(line("bundle", &format!("{} → {}", self.bundle, now.bundle)));
        }
        let [then_basis, now_basis] = [&self.review, &now.review];
        let (then, later) = (&then_basis.plan, &now_basis.plan);
        for (then, later) in
            [(&then.before_reboot, &later.before_reboot), (&then.after_reboot, &later.after_reboot)]
        {
            exchanged("step", then, later, &Step::summary, &mut lines);
        }
        let rest = |basis: &Basis| {
            let Basis { gpus, guest_tools, resume, facts, .. } = basis;
            json!({ "gpus": gpus, "guest-tools": guest_tools, "resume": resume, "facts": facts })
        };
        compare("", &rest(then_basis), &rest(now_basis), &mut lines);
        exchanged("change", &self.changes, &now.changes, &in_a_line, &mut lines);
        lines
    }
}

/// Lists each difference between two documents. Lists are compared by their elements.
fn compare(name: &str, then: &Value, now: &Value, lines: &mut Vec<String>) {
    match (then, now) {
        _ if then == now => {}
        (Value::Object(then), Value::Object(now)) => {
            let fields: BTreeSet<_> = then.keys().chain(now.keys()).collect();
            for field in fields {
                let [then, now] = [then, now].map(|value| value.get(field).unwrap_or(&Value::Null));
                let name =
                    if name.is_empty() { field.clone() } else { format!("{name} › {field}") };
                compare(&name, then, now, lines);
            }
        }
        (Value::Array(then), Value::Array(now)) => {
            exchanged(name, then, now, &Value::to_string, lines);
        }
        _ => lines.push(line(name, &format!("{then} → {now}"))),
    }
}

/// Lists the elements that a list has lost and gained; if there are none, reports a different
/// order.
fn exchanged<T: PartialEq>(
    name: &str,
    then: &[T],
    now: &[T],
    say: &dyn Fn(&T) -> String,
    lines: &mut Vec<String>,
) {
    let start = lines.len();
    let gone = then.iter().filter(|one| !now.contains(one)).map(|one| ("-", one));
    let come = now.iter().filter(|one| !then.contains(one)).map(|one| ("+", one));
    let differs = gone.chain(come).map(|(word, one)| line(name, &format!("{word} {}", say(one))));
    lines.extend(differs);
    if lines.len() == start && then != now {
        lines.push(line(name, "the order"));
    }
}

/// Summarizes a change.
fn in_a_line(change: &Change) -> String {
    match (change, change.names().next()) {
        (Change::Put { after: None, .. }, Some(path)) => format!("removed {path}"),
        (Change::Put { before: None, .. }, Some(path)) => format!("new {path}"),
        (_, Some(path)) => format!("changed {path}"),
        (Change::Act(act), None) => act.summary(),
        (_, None) => String::new(),
    }
}

/// Formats one difference, shortened and safe for a terminal.
fn line(name: &str, text: &str) -> String {
    let short: String = text.chars().take(160).collect();
    let rest = if short.len() < text.len() { "…" } else { "" };
    printable(&format!("  {name}: {short}{rest}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::{Serials, inventory};
    use crate::host::Content;
    use crate::host::testing::MemHost;

    fn review(host: &MemHost) -> Review {
        let facts = inventory(host, Serials::LeaveOut);
        let plan = Plan::new(Vec::new(), Vec::new());
        let choices = Choices {
            program: Content::of(b"me"),
            gpus: GpuChoice::default(),
            license: None,
            guest_tools: GuestTools::LeftOut,
        };
        let review = Basis::new(&choices, Resume::ByUnit, facts, plan);
        Review { bundle: Digest::of(b"a bundle"), changes: Vec::new(), review }
    }

    #[test]
    fn what_was_written_is_read_and_every_difference_is_named() {
        let host = MemHost::with_files(&[("/proc/sys/kernel/osrelease", "6.8.12-4-pve\n")]);
        let then = review(&host);
        let text = serde_json::to_string(&then).unwrap();
        let reviewed = Reviewed::parse(text.clone().into_bytes()).unwrap();
        assert_eq!(reviewed.review, then);
        reviewed.check(&text, &then).unwrap();

        let host = host.with_package("dkms\u{1b}", "3.0", "manual");
        let mut now = review(&host);
        now.bundle = Digest::of(b"another");
        now.review.resume = Resume::ByOperator;
        let error = reviewed.check("{}", &now).unwrap_err().to_string();
        for part in ["bundle: ", "resume: \"by-itself\" → \"by-operator\""] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn also_what_is_only_for_people_is_compared() {
        let then = review(&MemHost::with_files(&[]));
        let mut value = serde_json::to_value(&then).unwrap();
        value["before-reboot"] = json!([{ "summary": "write /etc/x" }]);
        value["bundle"] = json!({ "name": "a" });
        let now = serde_json::to_string_pretty(&value).unwrap();
        let refused = |text: String| {
            let reviewed = Reviewed::parse(text.into_bytes()).unwrap();
            reviewed.check(&now, &then).unwrap_err().to_string()
        };
        value["before-reboot"] = json!([]);
        let error = refused(serde_json::to_string_pretty(&value).unwrap());
        assert!(error.contains("before-reboot: + {"), "{error}");
        let error = refused(now.replace("\"a\"", "\"\""));
        assert!(error.contains(r#"bundle › name: "" → "a""#), "{error}");
        assert!(refused(now.replace("  ", " ")).contains("reformatted"));
        let twice = now.replacen('{', r#"{"bundle":{"name":"shown"},"#, 1);
        assert!(refused(twice).contains("reformatted"));
    }

    #[test]
    fn lists_are_compared_by_what_is_in_them_and_long_answers_are_cut() {
        let mut lines = Vec::new();
        compare("a", &json!([1, { "b": 2 }]), &json!([{ "b": 2 }, 3]), &mut lines);
        compare("c", &json!([1, 2]), &json!([2, 1]), &mut lines);
        compare("d", &json!("\u{1b}"), &json!("x".repeat(500)), &mut lines);
        assert_eq!(lines[..3], ["  a: - 1", "  a: + 3", "  c: the order"]);
        assert!(!lines[3].contains('\u{1b}') && lines[3].ends_with('…'), "{}", lines[3]);
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for text in ["", "{}", "[]", r#"{"review":{"schema":1}}"#] {
            let error = Reviewed::parse(text.into()).unwrap_err();
            assert!(matches!(error, ReviewError::Syntax(_)), "{error}");
        }
        let error = Reviewed::parse(br#"{"review":{"schema":2}}"#.to_vec()).unwrap_err();
        assert!(matches!(error, ReviewError::Schema(2)), "{error}");
    }
}
