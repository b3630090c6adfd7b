use std::str::FromStr;

/// When to use color: the value of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// On terminals, unless the environment sets `NO_COLOR`.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// A value of `--color` that is not one of [`Color::NAMES`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not one of `auto`, `always` and `never`", .0.escape_debug())]
pub struct ParseColorError(String);

impl Color {
    /// The accepted values of `--color`.
    pub const NAMES: [&'static str; 3] = ["auto", "always", "never"];

    /// Returns whether a stream gets colors.
    ///
    /// `no_color` is the value of the environment variable `NO_COLOR`. An empty value counts as
    /// unset: <https://no-color.org>.
    #[must_use]
    pub fn applies(self, is_terminal: bool, no_color: Option<&std::ffi::OsStr>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(std::ffi::OsStr::is_empty),
        }
    }

    /// Returns the name of the value, as typed after `--color`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl FromStr for Color {
    type Err = ParseColorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Auto, Self::Always, Self::Never]
            .into_iter()
            .find(|color| color.name() == text)
            .ok_or_else(|| ParseColorError(text.to_owned()))
    }
}

/// The meaning of a state word. The color only repeats that meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Success: green.
    Good,
    /// Failure: red.
    Bad,
    /// Needs attention: yellow.
    Warn,
    /// Additional information: dim.
    Dim,
}

/// Returns `text` in the color of `tone`.
#[must_use]
pub fn paint(tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "1;31",
        Tone::Warn => "33",
        Tone::Dim => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Returns `text` without the colors of [`paint`].
#[must_use]
pub fn unpainted(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_is_for_terminals_unless_an_option_or_the_environment_says_otherwise() {
        let set = Some(std::ffi::OsStr::new("1"));
        let empty = Some(std::ffi::OsStr::new(""));
        assert!(Color::Auto.applies(true, None) && Color::Auto.applies(true, empty));
        assert!(!Color::Auto.applies(true, set) && !Color::Auto.applies(false, None));
        assert!(Color::Always.applies(false, set) && !Color::Never.applies(true, None));
    }

    #[test]
    fn every_name_is_read_back() {
        for name in Color::NAMES {
            assert_eq!(name.parse::<Color>().unwrap().name(), name);
        }
        assert!("yes".parse::<Color>().is_err());
    }

    #[test]
    fn paint_can_be_removed() {
        let painted = format!("a {} c", paint(Tone::Bad, "b"));
        assert_eq!(painted, "a \u{1b}[1;31mb\u{1b}[0m c");
        assert_eq!(unpainted(&painted), "a b c");
    }
}
