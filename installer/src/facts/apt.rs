use std::collections::BTreeSet;
use std::str::FromStr;

use camino::Utf8Path;
use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{AptSource, SignedBy, SourceKind, SourceState};

use super::deb822::stanzas;
use super::one_line;
use super::reader::Reader;

const FOLDER: &str = "/etc/apt";
const MAIN: &str = "/etc/apt/sources.list";
const PARTS: &str = "/etc/apt/sources.list.d";

/// Returns all package sources of apt, sorted by file.
pub(super) fn sources(reader: &Reader<'_>) -> Vec<AptSource> {
    let mut found = BTreeSet::new();
    found.extend(file(reader, MAIN, one_line::parse));
    for name in reader.names(PARTS) {
        let path = format!("{PARTS}/{name}");
        // apt ignores all other names, such as those of backups.
        match Utf8Path::new(&name).extension() {
            Some("list") => found.extend(file(reader, &path, one_line::parse)),
            Some("sources") => found.extend(file(reader, &path, deb822)),
            _ => {}
        }
    }
    reader.short(FOLDER, found)
}

type Parse = for<'t> fn(&'t str) -> Vec<Result<Draft<'t>, &'static str>>;

fn file(reader: &Reader<'_>, path: &str, parse: Parse) -> Vec<AptSource> {
    let text = reader.text(path).unwrap_or_default();
    let Ok(host_path) = HostPath::new(path) else { return Vec::new() };
    let sources = (0..).zip(parse(&text)).filter_map(|(index, draft)| {
        let source = draft.and_then(|draft| draft.source(&host_path, index));
        reader.understood(path, source)
    });
    sources.collect()
}

/// A source as written in its file.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) kinds: Vec<&'a str>,
    pub(super) uris: Vec<&'a str>,
    pub(super) suites: Vec<&'a str>,
    pub(super) components: Vec<&'a str>,
    pub(super) signed_by: Option<Vec<&'a str>>,
    pub(super) enabled: Option<&'a str>,
}

/// Returns the sources of a `.sources` file.
fn deb822(text: &str) -> Vec<Result<Draft<'_>, &'static str>> {
    let real = stanzas(text).filter(|stanza| !stanza.is_comment());
    let draft = real.map(|stanza| {
        let draft = Draft {
            kinds: stanza.words("Types"),
            uris: stanza.words("URIs"),
            suites: stanza.words("Suites"),
            components: stanza.words("Components"),
            signed_by: stanza.line("Signed-By").map(|_| stanza.words("Signed-By")),
            enabled: stanza.line("Enabled"),
        };
        let complete =
            !draft.kinds.is_empty() && !draft.uris.is_empty() && !draft.suites.is_empty();
        if complete { Ok(draft) } else { Err("a stanza has no Types, URIs or Suites") }
    });
    draft.collect()
}

impl Draft<'_> {
    fn source(&self, file: &HostPath, index: u32) -> Result<AptSource, &'static str> {
        let uris = self.uris.iter().map(|uri| without_credentials(uri));
        let uris: Vec<_> = uris.collect();
        Ok(AptSource {
            file: file.clone(),
            index,
            state: state(self.enabled),
            kinds: self.kinds.iter().map(|word| kind(word)).collect::<Result<_, _>>()?,
            uris: all(uris.iter().map(String::as_str), "unknown form of URI")?,
            suites: all(self.suites.iter().copied(), "invalid suite")?,
            components: all(self.components.iter().copied(), "invalid component")?,
            signed_by: self.signed_by.as_deref().map(signed_by),
        })
    }
}

fn all<'a, T: FromStr>(
    words: impl Iterator<Item = &'a str>,
    error: &'static str,
) -> Result<Vec<T>, &'static str> {
    words.map(|word| word.parse().map_err(|_| error)).collect()
}

fn kind(word: &str) -> Result<SourceKind, &'static str> {
    match word {
        "deb" => Ok(SourceKind::Deb),
        "deb-src" => Ok(SourceKind::DebSrc),
        _ => Err("a source is neither `deb` nor `deb-src`"),
    }
}

/// The values that apt reads as false; it reads all others as true.
fn state(enabled: Option<&str>) -> SourceState {
    let no = ["no", "false", "without", "off", "disable", "0"];
    let is_no = enabled.is_some_and(|word| no.iter().any(|no| word.eq_ignore_ascii_case(no)));
    if is_no { SourceState::Disabled } else { SourceState::Enabled }
}

fn signed_by(words: &[&str]) -> SignedBy {
    let file = match words {
        [path] => HostPath::new(*path).ok(),
        _ => None,
    };
    file.map_or(SignedBy::Inline, SignedBy::File)
}

/// Returns the URI without user name, password, query and fragment.
fn without_credentials(uri: &str) -> String {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(text: &str) -> Result<AptSource, &'static str> {
        deb822(text).remove(0)?.source(&HostPath::new("/x").unwrap(), 0)
    }

    #[test]
    fn a_stanza_becomes_a_source() {
        let text = "# PVE\nTypes: deb deb-src\nURIs: http://a/debian\n  http://b/debian\nSuites: trixie\nComponents: main\nSigned-By: /usr/share/keyrings/a.gpg\nEnabled: False\n";
        let source = source(text).unwrap();
        assert_eq!(source.kinds, BTreeSet::from([SourceKind::Deb, SourceKind::DebSrc]));
        assert_eq!(source.uris.len(), 2);
        assert_eq!(source.state, SourceState::Disabled);
        assert_eq!(
            source.signed_by,
            HostPath::new("/usr/share/keyrings/a.gpg").ok().map(SignedBy::File)
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(source("Types: deb\nURIs: http://a/\n").is_err());
        assert!(source("Types: rpm\nURIs: http://a/\nSuites: x\n").is_err());
        assert!(source("Types: deb\nURIs: http://a'/\nSuites: x\n").is_err());
        let inline = "Types: deb\nURIs: http://a/\nSuites: x/\nSigned-By:\n -----BEGIN PGP\n .\n";
        assert_eq!(source(inline).unwrap().signed_by, Some(SignedBy::Inline));
    }

    #[test]
    fn credentials_stay_on_the_node() {
        assert_eq!(
            without_credentials("https://me:p@ss@a.example/x@y?t=1#f"),
            "https://a.example/x@y"
        );
        assert_eq!(without_credentials("file:/srv/x"), "file:/srv/x");
        assert_eq!(without_credentials("http://a.example"), "http://a.example");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text in "((Types|URIs|Suites|Signed-By|Enabled):? ?\\PC{0,12}\n){0,8}|\\PC*"
        ) {
            for draft in deb822(&text).into_iter().flatten() {
                let _ = draft.source(&HostPath::new("/x").unwrap(), 0);
            }
            without_credentials(&text);
        }
    }
}
