use anyhow::{Context as _, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use vgpu_manifest::ui::Exit;

use super::Context;
use crate::bounded;
use crate::cli::options::TrustArgs;
use crate::fleet::Report;
use crate::html::{self, Html};
use crate::node::{MAX_PLAN, Plan};
use crate::ui::{Advise as _, print_json};

/// Write a page about a bundle, a plan or a report.
///
/// The page is one file for a browser or a printer, without scripts. The signatures of a bundle are
/// verified, but not its payload; `verify` reads that. A report must match its own digest, and its
/// signature (REPORT.sig), if it has one, must be valid. A plan is not signed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Bundle, plan (`vgpu-installer plan --output`) or report (`vgpu-installer report --output`)
    #[arg(value_name = "FILE")]
    file: Utf8PathBuf,

    /// Write the page to this new file
    #[arg(long, value_name = "PAGE")]
    html: Utf8PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustArgs,
}

/// A page that was written.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Shown<'s> {
    /// The kind of the document.
    kind: DocumentKind,
    /// The file that was written.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    page: &'s Utf8Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum DocumentKind {
    Bundle,
    Plan,
    Report,
}

/// The keys by which documents differ.
#[derive(Deserialize)]
struct Keys {
    review: Option<IgnoredAny>,
    comparable: Option<IgnoredAny>,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let kind = DocumentKind::of(&self.file)?;
        self.page(kind)?.write(&self.html)?;
        context.ui.note(format_args!("wrote {:?}", self.html));
        if self.json {
            print_json(&Shown { kind, page: &self.html })?;
        }
        Ok(())
    }

    fn page(&self, kind: DocumentKind) -> anyhow::Result<Html> {
        let path = &self.file;
        Ok(match kind {
            DocumentKind::Bundle => html::bundle(&self.trust.open(path)?),
            DocumentKind::Plan => html::plan(&Plan::parse(path, &read(path)?)?),
            DocumentKind::Report => {
                // Without allowed signers, every key is unknown; the page says so.
                let report = Report::read(path, self.trust.resolve().ok().as_ref())?;
                html::report(&report).with_context(|| format!("cannot show `{path}`"))?
            }
        })
    }
}

impl DocumentKind {
    /// Determines the kind of a file: documents are JSON objects, and a bundle begins with a name.
    fn of(path: &Utf8Path) -> anyhow::Result<Self> {
        let first = bounded::head(path, 64).with_context(|| format!("cannot read `{path}`"))?;
        if first.trim_ascii_start().first() != Some(&b'{') {
            return Ok(Self::Bundle);
        }
        let keys: Keys = serde_json::from_str(&read(path)?).map_err(|error| {
            anyhow!("`{path}` is not JSON: {}", error.to_string().escape_debug())
        })?;
        match (keys.review.is_some(), keys.comparable.is_some()) {
            (true, false) => Ok(Self::Plan),
            (false, true) => Ok(Self::Report),
            _ => Err(Exit::Failed.error(format!("`{path}` is neither a plan nor a report"))).hint(
                "write one on the node with `vgpu-installer plan --output FILE BUNDLE` or \
                    `vgpu-installer report --output FILE`",
            ),
        }
    }
}

fn read(path: &Utf8Path) -> anyhow::Result<String> {
    bounded::read_text(path, MAX_PLAN).with_context(|| format!("cannot read `{path}`"))
}
