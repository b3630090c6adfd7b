//! The parts that pages share: lights, tiles, tables, files and digests.

use std::fmt::Display;

use super::Html;

/// A status light. Each has a symbol, a word and a color, so that no reader depends on the color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Light {
    Good,
    Warn,
    Bad,
    /// Not applicable, or only for information.
    Off,
}

impl Light {
    const fn spec(self) -> &'static str {
        match self {
            Self::Good => "span.light.good",
            Self::Warn => "span.light.warn",
            Self::Bad => "span.light.bad",
            Self::Off => "span.light",
        }
    }

    const fn banner(self) -> &'static str {
        match self {
            Self::Good => "div.banner.good",
            Self::Warn => "div.banner.warn",
            Self::Bad => "div.banner.bad",
            Self::Off => "div.banner.note",
        }
    }

    const fn symbol(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Warn => "!",
            Self::Bad => "✗",
            Self::Off => "–",
        }
    }
}

impl Html {
    /// Writes a light with its word.
    pub(super) fn light(&mut self, light: Light, word: impl Display) {
        self.put(light.spec(), |html| {
            html.text("b aria-hidden=\"true\"", light.symbol());
            html.say(word);
        });
    }

    /// Writes the most important sentence of a page, and its explanation.
    pub(super) fn banner(&mut self, light: Light, sentence: impl Display, more: impl Display) {
        self.put(light.banner(), |html| {
            html.say(format_args!("{} {sentence}", light.symbol()));
            let more = more.to_string();
            if !more.is_empty() {
                html.put("p.quiet", |html| html.prose(more));
            }
        });
    }

    /// Writes numbers with their labels.
    pub(super) fn tiles(&mut self, tiles: &[(usize, &'static str)]) {
        self.put("div.tiles", |html| {
            for (number, label) in tiles {
                html.put("div", |html| {
                    html.text("b", number);
                    html.text("span", label);
                });
            }
        });
    }

    /// Writes a section with its heading.
    pub(super) fn section(&mut self, heading: impl Display, inside: impl FnOnce(&mut Self)) {
        self.put("section", |html| {
            html.text("h2", heading);
            inside(html);
        });
    }

    /// Writes a section that readers open: it is long, and most need only its heading and `summary`.
    pub(super) fn folded(
        &mut self,
        heading: impl Display,
        summary: impl Display,
        inside: impl FnOnce(&mut Self),
    ) {
        self.section(heading, |html| {
            html.put("details", |html| {
                html.text("summary", summary);
                inside(html);
            });
        });
    }

    /// Writes names with their values.
    pub(super) fn facts(&mut self, inside: impl FnOnce(&mut Self)) {
        self.put("dl", inside);
    }

    /// Writes a name and its value.
    pub(super) fn fact(&mut self, name: &'static str, value: impl FnOnce(&mut Self)) {
        self.text("dt", name);
        self.put("dd", value);
    }

    /// Writes a table. `spec` is that of the box around it, in which wide tables scroll.
    pub(super) fn table<T>(
        &mut self,
        spec: &'static str,
        head: &[&'static str],
        rows: impl IntoIterator<Item = T>,
        row: impl Fn(&mut Self, T),
    ) {
        self.put(spec, |html| {
            html.put("table", |html| {
                html.put("thead", |html| {
                    html.put("tr", |html| {
                        for cell in head {
                            html.text("th scope=\"col\"", cell);
                        }
                    });
                });
                html.put("tbody", |html| {
                    rows.into_iter().for_each(|item| html.put("tr", |html| row(html, item)));
                });
            });
        });
    }

    /// Writes a table of lights, without a heading.
    pub(super) fn lights(&mut self, rows: impl FnOnce(&mut Self)) {
        self.put("div.scroll.lights", |html| html.put("table", |html| html.put("tbody", rows)));
    }

    /// Writes the lines of a unified diff.
    pub(super) fn diff(&mut self, lines: &[String]) {
        self.put("pre", |html| {
            for line in lines {
                let spec = match line.chars().next() {
                    Some('+') => "span.good",
                    Some('-') => "span.bad",
                    Some('@' | '…' | '\\') => "span.head",
                    _ => "span.same",
                };
                html.text(spec, line);
            }
        });
    }

    /// Writes a list of items of which the first are shown and the rest is folded.
    pub(super) fn names(&mut self, names: &[impl Display], shown: usize) {
        let join = |names: &[_]| {
            names.iter().map(|name: &_| format!("{name}")).collect::<Vec<_>>().join(", ")
        };
        if names.len() <= shown + 1 {
            return self.say(join(names));
        }
        let (first, rest) = names.split_at(shown);
        self.put("details", |html| {
            html.text("summary", format_args!("{} and {} more", join(first), rest.len()));
            html.say(join(rest));
        });
    }
}
