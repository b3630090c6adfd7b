//! The table as it is in the file, and checks across its fields.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use vgpu_manifest::package::{ArchiveName, Fingerprint};

use super::{Apt, Archive, Expired, Indexes, Keyring, Node};
use crate::recipe::Fault;
use crate::types::{Address, LocalPath, OneOrMany, ParseSuiteError, Request, Suite, Upgrades};

/// The table as it is in the file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::recipe) struct RawApt {
    release: Spanned<ArchiveName>,
    install: Spanned<Vec<Spanned<Request>>>,
    #[serde(default)]
    upgrades: Upgrades,
    inventory: Option<LocalPath>,
    installed: Option<LocalPath>,
    #[serde(default)]
    carry_index: bool,
    #[serde(default)]
    archive: Vec<Spanned<RawArchive>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawArchive {
    name: Spanned<ArchiveName>,
    mirror: Spanned<OneOrMany<Address>>,
    suite: Option<Suite>,
    components: Spanned<Vec<Suite>>,
    #[serde(default = "usual")]
    priority: i16,
    keyring: Option<LocalPath>,
    keyring_url: Option<Spanned<OneOrMany<Address>>>,
    signed_by: Option<Spanned<OneOrMany<Fingerprint>>>,
    #[serde(default)]
    expired: Expired,
}

/// The default priority of an archive in apt.
fn usual() -> i16 {
    500
}

/// Converts the tables; `entries` returns the number of entries before a position in the text.
pub(in crate::recipe) fn checked(
    tables: Vec<Spanned<RawApt>>,
    entries: impl Fn(usize) -> usize,
) -> Result<Vec<Apt>, Fault> {
    let (mut releases, mut archives) = (BTreeSet::new(), BTreeSet::new());
    let mut checked = Vec::new();
    for table in tables {
        let at = entries(table.span().start);
        let span = table.span();
        let table = table.into_inner();
        if !releases.insert(table.release.get_ref().as_str().to_ascii_lowercase()) {
            let what =
                format!("another `[[apt]]` table is for `{}` already", table.release.get_ref());
            return Err(Fault { span: table.release.span(), what });
        }
        for archive in &table.archive {
            let name = &archive.get_ref().name;
            if !archives.insert(name.get_ref().as_str().to_ascii_lowercase()) {
                let what = format!("another archive is called `{}` already", name.get_ref());
                return Err(Fault { span: name.span(), what });
            }
        }
        checked.push(table.check(at, span)?);
    }
    Ok(checked)
}

impl RawApt {
    fn check(self, at: usize, span: Range<usize>) -> Result<Apt, Fault> {
        let node = match (self.inventory, self.installed) {
            (None, None) => Node::Stock,
            (Some(path), None) => Node::Inventory(path),
            (None, Some(path)) => Node::Status(path),
            (Some(_), Some(_)) => {
                let what = "`inventory` and `installed` exclude each other".to_owned();
                return Err(Fault { span, what });
            }
        };
        if self.archive.is_empty() {
            let what = "it needs at least one `[[apt.archive]]`".to_owned();
            return Err(Fault { span, what });
        }
        let archives = self.archive.into_iter().map(RawArchive::check);
        let archives = archives.collect::<Result<Vec<_>, Fault>>()?;
        if self.install.get_ref().is_empty() {
            let what = "`install` must name at least one package".to_owned();
            return Err(Fault { span: self.install.span(), what });
        }
        let mut install: Vec<Request> = Vec::new();
        for request in self.install.into_inner() {
            let name = &request.get_ref().name;
            if install.iter().any(|other| other.name == *name) {
                let what = format!("`{name}` is listed twice");
                return Err(Fault { span: request.span(), what });
            }
            install.push(request.into_inner());
        }
        Ok(Apt {
            at,
            release: self.release.into_inner(),
            install,
            upgrades: self.upgrades,
            node,
            indexes: if self.carry_index { Indexes::Carry } else { Indexes::Leave },
            archives,
        })
    }
}

impl RawArchive {
    fn check(this: Spanned<Self>) -> Result<Archive, Fault> {
        let this = this.into_inner();
        let one =
            |what: &str, span| Fault { span, what: format!("`{what}` must name at least one") };
        if this.mirror.get_ref().0.is_empty() {
            return Err(one("mirror", this.mirror.span()));
        }
        if this.components.get_ref().is_empty() {
            return Err(one("components", this.components.span()));
        }
        let Some(signed_by) = this.signed_by else {
            let what = format!(
                "`{}` needs `signed-by`, the fingerprints that may sign it; see docs/PACKAGES.md",
                this.name.get_ref()
            );
            return Err(Fault { span: this.name.span(), what });
        };
        let keyring = match (this.keyring, this.keyring_url) {
            (Some(path), None) => Keyring::File(path),
            (None, urls) => Keyring::Found(urls.map_or_else(Vec::new, |it| it.into_inner().0)),
            (Some(_), Some(urls)) => {
                let what = "`keyring` and `keyring-url` exclude each other".to_owned();
                return Err(Fault { span: urls.span(), what });
            }
        };
        if signed_by.get_ref().0.is_empty() {
            return Err(one("signed-by", signed_by.span()));
        }
        let suite = match this.suite {
            Some(suite) => suite,
            None => this.name.get_ref().as_str().parse().map_err(|error: ParseSuiteError| {
                Fault { span: this.name.span(), what: error.to_string() }
            })?,
        };
        Ok(Archive {
            name: this.name.into_inner(),
            mirrors: this.mirror.into_inner().0,
            suite,
            components: this.components.into_inner(),
            priority: this.priority,
            keyring,
            signed_by: signed_by.into_inner().0,
            expired: this.expired,
        })
    }
}
