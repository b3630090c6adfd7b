//! Pages for people: one self-contained file each, without scripts, in light and dark, for screen and
//! paper.
//!
//! [`Html`] writes a page. Its markup is `&'static str`, which is part of this program; everything
//! else goes through [`Html::text`], which escapes it. So no name from a bundle, a node or a log can
//! become markup.

mod bundle;
mod fleet;
mod matrix;
mod parts;
mod plan;
mod report;
mod style;

use std::fmt::{self, Display, Write as _};
use std::io;

use anyhow::{Context as _, anyhow};
use camino::Utf8Path;
use vgpu_manifest::ProgramVersion;

pub(crate) use self::bundle::bundle;
pub(crate) use self::fleet::fleet;
pub(crate) use self::matrix::matrix;
pub(crate) use self::plan::plan;
pub(crate) use self::report::report;

use crate::outfile;
use crate::ui::Advise as _;

/// The browser loads nothing and runs nothing, whatever the page contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'";

/// The elements after which the source has a line break.
const BLOCKS: [&str; 16] = [
    "article", "details", "div", "dl", "footer", "h1", "h2", "h3", "header", "li", "main", "p",
    "section", "summary", "table", "tr",
];

/// A page, or a part of it, as text.
#[derive(Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// Returns a complete page. `kind` is the kind of document, and `title` its name.
    fn page(kind: &'static str, title: &str, inside: impl FnOnce(&mut Self)) -> Self {
        let mut page = Self("<!DOCTYPE html>\n".to_owned());
        page.put("html lang=\"en\"", |page| {
            page.put("head", |page| {
                page.markup("<meta charset=\"utf-8\">\n");
                page.markup("<meta http-equiv=\"Content-Security-Policy\" content=\"");
                page.markup(POLICY).markup("\">\n");
                page.markup("<meta name=\"viewport\" content=\"width=device-width\">\n");
                page.markup("<meta name=\"color-scheme\" content=\"light dark\">\n");
                page.put("title", |page| page.say(format_args!("{title} – {kind}")));
                page.markup("\n<style>\n").markup(style::SHEET).markup("</style>\n");
            });
            page.put("body", |page| {
                page.put("header", |page| {
                    page.put("p.kind", |page| page.say(kind));
                    page.put("h1", |page| page.say(title));
                });
                page.put("main", inside);
                page.put("footer", |page| {
                    let version = ProgramVersion::current();
                    page.say(format_args!("Written by vgpu-bundler {version}."));
                    page.say(" This page runs no script and loads nothing.");
                });
            });
        });
        page.markup("\n");
        page
    }

    /// Writes an element. `spec` is its name, its classes and its attributes:
    /// `td.path.wrap colspan="2"`.
    fn put(&mut self, spec: &'static str, inside: impl FnOnce(&mut Self)) {
        let (name, attributes) = spec.split_once(' ').unwrap_or((spec, ""));
        let (tag, classes) = name.split_once('.').unwrap_or((name, ""));
        self.0.extend(["<", tag]);
        if !classes.is_empty() {
            self.0.extend([" class=\"", &classes.replace('.', " "), "\""]);
        }
        if !attributes.is_empty() {
            self.0.extend([" ", attributes]);
        }
        self.0.push('>');
        inside(self);
        self.0.extend(["</", tag, ">"]);
        if BLOCKS.contains(&tag) {
            self.0.push('\n');
        }
    }

    /// Writes an element that has only text.
    fn text(&mut self, spec: &'static str, text: impl Display) {
        self.put(spec, |html| html.say(text));
    }

    /// Writes text, escaped.
    fn say(&mut self, text: impl Display) {
        // Writing to a `String` cannot fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
    }

    /// Writes a sentence, with the parts in backticks as code.
    fn prose(&mut self, text: impl Display) {
        let text = text.to_string();
        let parts: Vec<&str> = text.split('`').collect();
        if parts.len().is_multiple_of(2) {
            return self.say(text);
        }
        for (at, part) in parts.into_iter().enumerate() {
            if at % 2 == 0 { self.say(part) } else { self.text("code", part) }
        }
    }

    /// Writes markup of this program.
    fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Writes the page to a new file.
    pub(crate) fn write(&self, path: &Utf8Path) -> anyhow::Result<()> {
        match outfile::create(path, self.0.as_bytes(), 0o666) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(anyhow!("`{path}` exists already"))
                    .hint("name another file, or remove it first")
            }
            result => result.with_context(|| format!("cannot write `{path}`")),
        }
    }
}

/// Escapes everything that could become markup, end an attribute, or hide and reorder text.
struct Escaped<'h>(&'h mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\t' => self.0.push(c),
                // https://infra.spec.whatwg.org/#noncharacter: no page may contain them.
                '\u{fdd0}'..='\u{fdef}' => self.0.extend(c.escape_unicode()),
                c if u32::from(c) & 0xfffe == 0xfffe => self.0.extend(c.escape_unicode()),
                c => self.0.push_str(&vgpu_manifest::printable(c.encode_utf8(&mut [0; 4]))),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let mut html = Html::default();
        html.say(text);
        html.0
    }

    #[test]
    fn a_hostile_name_stays_text() {
        assert_eq!(said("a </td><script>x&\"'"), "a &lt;/td&gt;&lt;script&gt;x&amp;&quot;&#39;");
        assert_eq!(said("x\u{202e}gpj.exe\0\u{1b}[2J\n"), "x\\u{202e}gpj.exe\\0\\u{1b}[2J\\n");
        assert_eq!(said("\u{fffe}\u{10ffff}\u{fdd0}"), "\\u{fffe}\\u{10ffff}\\u{fdd0}");
        assert_eq!(said("naïve 日本\tx"), "naïve 日本\tx");
    }

    #[test]
    fn no_character_can_leave_the_text() {
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let text = said(&c.to_string());
            assert!(!text.contains(['<', '>', '"', '\'']), "{c:?}");
            assert_eq!(text.contains('&'), "&<>\"'".contains(c), "{c:?}");
            assert!(c == '\t' || !text.contains(char::is_control), "{c:?}");
        }
    }

    #[test]
    fn code_in_a_sentence_is_code() {
        let prose = |text: &str| {
            let mut html = Html::default();
            html.prose(text);
            html.0
        };
        assert_eq!(prose("run `a <b>` now"), "run <code>a &lt;b&gt;</code> now");
        assert_eq!(prose("one ` alone"), "one ` alone");
    }

    #[test]
    fn elements_close_and_have_classes_and_attributes() {
        let mut html = Html::default();
        html.put("td.path.wrap colspan=\"2\"", |html| html.text("b", "<"));
        html.put("p", |_| {});
        assert_eq!(html.0, "<td class=\"path wrap\" colspan=\"2\"><b>&lt;</b></td><p></p>\n");
    }

    #[test]
    fn a_page_loads_nothing_and_its_title_is_text() {
        let page = Html::page("Plan", "</title><img src=//x>", |html| html.say("y")).0;
        assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{page}");
        assert!(page.contains("default-src 'none'") && !page.contains("<img"), "{page}");
        assert!(!page.contains("url(") && !page.contains("@import") && !page.contains("http:"));
    }
}
