//! AList: a server that lists the folders of a storage, one of which contains a driver.
//!
//! Two API calls are enough: list a folder (`/api/fs/list`), and get the address of a file
//! (`/api/fs/get`). The file is selected by NVIDIA's file names and examined after the download, as
//! with every other source. The recipe names the server; there is no default.

mod answer;
mod choice;
#[cfg(test)]
mod tests;

use anyhow::{Context as _, anyhow, bail};
use vgpu_manifest::ui::ByteSize;

use self::answer::{FileAnswer, ListAnswer, data};
use self::choice::{Found, choose, fallback, folders};
use super::Sources;
use crate::fetch::Download;
use crate::types::{AlistPath, AlistSource, Expected, HttpUrl, Pin};

/// The limit of entries in a folder.
const MAX_ENTRIES: usize = 5_000;

/// The size limit of an answer, enough for the limit of entries.
const MAX_ANSWER: ByteSize = ByteSize::new(4 << 20);

fn shown(names: &[String]) -> String {
    let names: Vec<_> = names.iter().take(8).map(|it| it.escape_debug().to_string()).collect();
    names.join(", ")
}

fn has(others: &[String]) -> String {
    if others.is_empty() { String::new() } else { format!(", but {}", shown(others)) }
}

impl Sources<'_> {
    /// Downloads a driver from an AList server.
    pub(super) fn alist(&self, source: &AlistSource, want: Expected<'_>) -> anyhow::Result<Pin> {
        if let Some(pin) = self.cached(want)? {
            return Ok(pin);
        }
        let download = || {
            let file = self.search(source)?;
            let mirrors = self.addresses(source, &file)?;
            let Expected { name, sha256, size, cap } = want;
            let name = name.as_str();
            anyhow::Ok(self.fetcher.fetch(&Download {
                name,
                mirrors: &mirrors,
                sha256,
                size,
                cap,
            })?)
        };
        let failed =
            || format!("cannot get item `{}` from the AList server {}", want.name, source.url);
        let measured = download().with_context(failed)?;
        Ok(Pin::plain(&measured))
    }

    /// Searches for the driver: in the folder, in NVIDIA's folders below it, or in an archive.
    fn search(&self, source: &AlistSource) -> anyhow::Result<AlistPath> {
        let top = self.list(source, &source.path)?;
        if let Found::One(file) = choose(source, &top)? {
            return below(&source.path, &file);
        }
        let mut others = top.names();
        let mut open: Vec<AlistPath> = Vec::new();
        for folder in folders(source.driver, &top) {
            open.push(below(&source.path, &folder)?);
        }
        // A portal folder has folders of its own, but those have none.
        let mut at = 0;
        while let Some(folder) = open.get(at).cloned().filter(|_| at < 8) {
            let list = self.list(source, &folder)?;
            if let Found::One(file) = choose(source, &list)? {
                return below(&folder, &file);
            }
            others.extend(list.names());
            if folder.depth() == source.path.depth() + 1 {
                for inner in folders(source.driver, &list) {
                    open.push(below(&folder, &inner)?);
                }
            }
            at += 1;
        }
        match fallback(source, &top)? {
            Found::One(file) => below(&source.path, &file),
            Found::None => {
                bail!("it has no {} in `{}`{}", source.wanted(), source.path, has(&others))
            }
        }
    }

    fn list(&self, source: &AlistSource, folder: &AlistPath) -> anyhow::Result<ListAnswer> {
        let query = [("path", folder.as_str()), ("page", "1"), ("per_page", "0")];
        let list: ListAnswer = self.ask(source, "list", &query)?;
        if list.content().len() > MAX_ENTRIES {
            bail!("the folder `{folder}` has more than {MAX_ENTRIES} entries");
        }
        Ok(list)
    }

    /// Returns the addresses of a file: in the storage behind the server, and through the server.
    fn addresses(&self, source: &AlistSource, file: &AlistPath) -> anyhow::Result<Vec<HttpUrl>> {
        let answer: FileAnswer = self.ask(source, "get", &[("path", file.as_str())])?;
        let address = |text: &str| text.parse().map_err(|_| unusable(text));
        let mut addresses: Vec<HttpUrl> = Vec::new();
        if !answer.raw_url.is_empty() {
            addresses.push(address(&answer.raw_url)?);
        }
        let mut through = source.url.below(&["d"]).below(&file.parts());
        if !answer.sign.is_empty() {
            through = through.with_query(&[("sign", &answer.sign)]);
        }
        if !addresses.contains(&through) {
            addresses.push(through);
        }
        Ok(addresses)
    }

    fn ask<T: serde::de::DeserializeOwned>(
        &self,
        source: &AlistSource,
        question: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        let url = source.url.below(&["api", "fs", question]).with_query(query);
        data(&self.fetcher.document("AList", &url, MAX_ANSWER)?)
    }
}

/// Returns the path of an entry that the server lists in a folder.
fn below(folder: &AlistPath, name: &str) -> anyhow::Result<AlistPath> {
    folder.below(name).ok_or_else(|| unusable(&name.chars().take(120).collect::<String>()))
}

fn unusable(text: &str) -> anyhow::Error {
    anyhow!("it names a file or an address that cannot be used: `{}`", text.escape_debug())
}
