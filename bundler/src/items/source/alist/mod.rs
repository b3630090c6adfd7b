//! AList: a server that lists the folders of a storage, one of which contains a driver.
//!
//! Two API calls are enough: list a folder (`/api/fs/list`), and get the address of a file
//! (`/api/fs/get`). The file is selected by NVIDIA's file names and examined after the download, as
//! with every other source. The recipe names the server; there is no default.

mod answer;
mod choice;
#[cfg(test)]
mod tests;

use vgpu_manifest::ui::ByteSize;

use self::answer::{FileAnswer, ListAnswer, data};
use self::choice::{Found, choose, fallback, folders};
use super::{SourceError, Sources};
use crate::fetch::{Download, FetchError};
use crate::types::{AlistPath, AlistSource, Expected, HttpUrl, Pin};

/// An AList server does not have the requested file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AlistError {
    /// The request or the download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The server sent a web page: a login, a challenge or an error.
    #[error("it sent a web page instead of an answer: it requires a browser or a login")]
    WebPage,
    /// The answer is not one of AList, or of an unsupported version.
    #[error("it does not answer as AList does: {0}")]
    Malformed(String),
    /// The server refused the request.
    #[error("it answers {code}: {}", .message.escape_debug())]
    Refused {
        /// The code of AList.
        code: u32,
        /// Its contents.
        message: String,
    },
    /// A folder exceeds the limit of entries.
    #[error("the folder `{0}` has more than {MAX_ENTRIES} entries")]
    TooMany(AlistPath),
    /// The folder has no such driver.
    #[error("it has no {wanted} in `{folder}`{}", has(.others))]
    None {
        /// The request.
        wanted: String,
        folder: AlistPath,
        /// The files found instead.
        others: Vec<String>,
    },
    /// Several files match.
    #[error("it has several such drivers; name the item after the one that you want: {}", shown(.0))]
    Several(Vec<String>),
    /// A name or an address in the answer is invalid.
    #[error("it names a file or an address that cannot be used: `{}`", .0.escape_debug())]
    Address(String),
}

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
    pub(super) fn alist(
        &self,
        source: &AlistSource,
        want: Expected<'_>,
    ) -> Result<Pin, SourceError> {
        if let Some(pin) = self.cached(want)? {
            return Ok(pin);
        }
        let download = || {
            let file = self.search(source)?;
            let mirrors = self.addresses(source, &file)?;
            let Expected { name, sha256, size, cap } = want;
            let name = name.as_str();
            Ok(self.fetcher.fetch(&Download { name, mirrors: &mirrors, sha256, size, cap })?)
        };
        let measured = download().map_err(|error: AlistError| SourceError::Alist {
            item: want.name.clone(),
            url: source.url.clone(),
            source: Box::new(error),
        })?;
        Ok(Pin::plain(&measured))
    }

    /// Searches for the driver: in the folder, in NVIDIA's folders below it, or in an archive.
    fn search(&self, source: &AlistSource) -> Result<AlistPath, AlistError> {
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
            Found::None => Err(AlistError::None {
                wanted: source.wanted(),
                folder: source.path.clone(),
                others,
            }),
        }
    }

    fn list(&self, source: &AlistSource, folder: &AlistPath) -> Result<ListAnswer, AlistError> {
        let query = [("path", folder.as_str()), ("page", "1"), ("per_page", "0")];
        let list: ListAnswer = self.ask(source, "list", &query)?;
        if list.content().len() > MAX_ENTRIES {
            return Err(AlistError::TooMany(folder.clone()));
        }
        Ok(list)
    }

    /// Returns the addresses of a file: in the storage behind the server, and through the server.
    fn addresses(
        &self,
        source: &AlistSource,
        file: &AlistPath,
    ) -> Result<Vec<HttpUrl>, AlistError> {
        let answer: FileAnswer = self.ask(source, "get", &[("path", file.as_str())])?;
        let address = |text: &str| text.parse().map_err(|_| AlistError::Address(text.to_owned()));
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
    ) -> Result<T, AlistError> {
        let url = source.url.below(&["api", "fs", question]).with_query(query);
        data(&self.fetcher.document("AList", &url, MAX_ANSWER)?)
    }
}

/// Returns the path of an entry that the server lists in a folder.
fn below(folder: &AlistPath, name: &str) -> Result<AlistPath, AlistError> {
    let bad = || AlistError::Address(name.chars().take(120).collect());
    folder.below(name).ok_or_else(bad)
}
