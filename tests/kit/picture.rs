//! A terminal's output as an SVG picture, for the README.
//!
//! The picture has no script, font or link, and follows the reader's choice of light or dark. What
//! differs from run to run (digests, fingerprints, times) is replaced.

use std::fmt::Write as _;

/// The width of a character and the height of a line, in pixels.
const CELL: (usize, usize) = (8, 18);

/// The space around the text, in pixels.
const EDGE: usize = 20;

/// The kind of a line, which decides its color and weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A heading: `━━ …`.
    Heading,
    /// A command: `$ …` or `# …`.
    Command,
    /// The output of a program.
    Output,
}

impl Kind {
    /// Returns the kind of a line of the demo.
    #[must_use]
    pub fn of(line: &str) -> Self {
        match line.split(' ').next() {
            Some("━━") => Self::Heading,
            Some("$" | "#") => Self::Command,
            _ => Self::Output,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Heading => "heading",
            Self::Command => "command",
            Self::Output => "output",
        }
    }
}

/// Returns the picture of some lines.
#[must_use]
pub fn svg(title: &str, lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| steady(line)).collect();
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (width, height) = (columns * CELL.0 + 2 * EDGE, lines.len() * CELL.1 + 2 * EDGE);
    let title = escaped(title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n{STYLE}\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n"
    );
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let y = EDGE + at * CELL.1 + CELL.1 * 3 / 4;
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            svg,
            "<text class=\"{}\" x=\"{EDGE}\" y=\"{y}\" xml:space=\"preserve\">{}</text>",
            Kind::of(line).class(),
            escaped(line)
        );
    }
    svg + "</svg>\n"
}

const STYLE: &str = "\
<style>
rect { fill: #f6f8fa; stroke: #d0d7de; }
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, \"DejaVu Sans Mono\", monospace; fill: #24292f; }
.heading { fill: #0550ae; font-weight: bold; }
.command { font-weight: bold; }
@media (prefers-color-scheme: dark) {
rect { fill: #0d1117; stroke: #30363d; }
text { fill: #d1d7e0; }
.heading { fill: #79c0ff; }
.command { fill: #ffffff; }
}
</style>
";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The shortest word of hex digits that is taken for a part of a digest.
const DIGEST: usize = 12;

/// Returns a line without what differs from run to run.
fn steady(line: &str) -> String {
    // `staged 10 items, 732.0 KiB in 0.4 s (1.6 MiB/s)`
    let timed = line.split_once(" in ").filter(|(_, rest)| rest.contains("B/s)"));
    let line = match timed.and_then(|(before, rest)| Some((before, rest.split_once(')')?.1))) {
        Some((before, after)) => format!("{before}{after}"),
        None => line.to_owned(),
    };
    let word = |word: &str| {
        let is_digest = word.len() >= DIGEST && word.bytes().all(|b| b.is_ascii_hexdigit());
        match word.split_once("SHA256:") {
            Some((before, _)) => format!("{before}SHA256:…"),
            None if is_digest => "…".to_owned(),
            None => word.to_owned(),
        }
    };
    let pieces = line.split_inclusive([' ', ',', ';', '@', ')', '…']).map(|piece| {
        let end = piece.trim_end_matches([' ', ',', ';', '@', ')', '…']);
        word(end) + &piece[end.len()..]
    });
    pieces.collect::<String>().replace("……", "…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        for (line, expected) in [
            (
                "  signed by SHA256:RhQ/D8bL+Q; digest 4d14955ce7f2b250c1e8",
                "  signed by SHA256:…; digest …",
            ),
            ("  digest 1c5051985a9afe28…", "  digest …"),
            ("  at commit d644ddbe58e7, glibc 2.2", "  at commit …, glibc 2.2"),
            (
                "  staged 3 items, 669.1 KiB in 0.1 s (6.2 MiB/s); done",
                "  staged 3 items, 669.1 KiB; done",
            ),
            ("    0000:01:00.0  nvidia-300", "    0000:01:00.0  nvidia-300"),
            ("  packages in the bundle: dkms", "  packages in the bundle: dkms"),
        ] {
            assert_eq!(steady(line), expected);
        }
    }

    #[test]
    fn text_is_not_markup() {
        let svg = svg("a & b", &["$ x < y", "  <script>\"&\"</script>"]);
        assert!(svg.contains("$ x &lt; y") && svg.contains("&lt;script&gt;"), "{svg}");
        assert!(!svg.contains("<script"), "{svg}");
    }
}
