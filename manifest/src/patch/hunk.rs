use super::error::PatchFault;
use super::parse::Lines;

/// The number of blank lines that may be missing at the end of a patch.
const CUT_OFF: u64 = 3;

/// One replacement in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hunk {
    /// The number of lines of the old file before it.
    pub(super) at: u64,
    /// The number of lines of the old file that it covers.
    pub(super) old_lines: u64,
    /// The expected bytes, with context.
    pub(super) old: Vec<u8>,
    /// The replacement bytes, with context.
    pub(super) new: Vec<u8>,
    /// Whether the old file must end where `old` ends.
    pub(super) ends_file: bool,
}

impl Hunk {
    /// Parses a hunk whose first line is the next one.
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Self, PatchFault> {
        let header = lines.next().unwrap_or_default();
        let (old, new) = ranges(header).ok_or(PatchFault::HunkHeader)?;
        let (mut body, mut incomplete) = (Body::default(), 0);
        while body.old.lines < old.count || body.new.lines < new.count {
            let missing = old.count.saturating_sub(body.old.lines);
            let is_context = missing == new.count.saturating_sub(body.new.lines);
            match lines.next() {
                Some(line) if line.ends_with(b"\n") || line.starts_with(b"\\") => body.add(line)?,
                // Mail programs and web forms cut off blank lines at the end: up to three, as GNU
                // patch assumes.
                Some(b" ") | None if is_context && missing <= CUT_OFF => body.add(b"\n")?,
                Some([b' ', content @ ..]) if is_context => {
                    body.add(&[b" ", content, b"\n"].concat())?;
                    incomplete = missing;
                }
                Some(_) | None => return Err(PatchFault::Truncated),
            }
            if body.old.lines > old.count || body.new.lines > new.count {
                return Err(PatchFault::Count);
            }
        }
        // GNU patch takes any line after the hunk that begins with a backslash for `\ No newline`, also
        // without the blank that `add` requires.
        if lines.peek().is_some_and(|line| line.starts_with(b"\\")) {
            body.add(lines.next().unwrap_or_default())?;
        }
        if body.changes == 0 {
            return Err(PatchFault::NoChange);
        }
        if !body.forgives(incomplete) {
            return Err(PatchFault::Truncated);
        }
        let at = if old.count == 0 { Some(old.start) } else { old.start.checked_sub(1) };
        Ok(Self {
            at: at.ok_or(PatchFault::HunkHeader)?,
            old_lines: old.count,
            ends_file: body.old.is_open || body.new.is_open || body.trailing < body.leading,
            old: body.old.bytes,
            new: body.new.bytes,
        })
    }
}

/// The lines of a hunk, by the side to which they belong.
#[derive(Debug, Default)]
struct Body {
    old: Side,
    new: Side,
    /// The sides of the last line: old and new.
    last: Option<(bool, bool)>,
    changes: u64,
    /// Lines of context before the first change.
    leading: u64,
    /// Lines of context since the last change.
    trailing: u64,
}

/// The old or the new form of the region that a hunk changes.
#[derive(Debug, Default)]
struct Side {
    bytes: Vec<u8>,
    lines: u64,
    /// The last line has no newline, so it ends the file.
    is_open: bool,
}

impl Body {
    fn add(&mut self, line: &[u8]) -> Result<(), PatchFault> {
        let (in_old, in_new, content) = match line {
            [b' ', content @ ..] => (true, true, content),
            [b'-', content @ ..] => (true, false, content),
            [b'+', content @ ..] => (false, true, content),
            // `diff --suppress-blank-empty` writes an empty context line this way, and a patch that
            // was pasted can have lost the blank before a tab.
            b"\n" | [b'\t', ..] => (true, true, line),
            [b'\\', b' ', ..] => return self.open_end(),
            _ => return Err(PatchFault::HunkLine),
        };
        if in_old {
            self.old.add(content)?;
        }
        if in_new {
            self.new.add(content)?;
        }
        match (in_old && in_new, self.changes) {
            (true, 0) => self.leading += 1,
            (true, _) => self.trailing += 1,
            (false, _) => (self.changes, self.trailing) = (self.changes + 1, 0),
        }
        self.last = Some((in_old, in_new));
        Ok(())
    }

    /// Checks whether GNU patch applies the hunk though it loses its last `lines`, which are
    /// context.
    ///
    /// It takes blank lines instead of a last line without a newline. Its fuzz of 2 forgives that,
    /// less the lines of context that are missing at the end of a file.
    fn forgives(&self, lines: u64) -> bool {
        let context = self.leading.max(self.trailing);
        lines + context <= context.min(2) + self.trailing || lines == 0
    }

    /// Handles `\ No newline at end of file`, in any language: the last line has no newline.
    fn open_end(&mut self) -> Result<(), PatchFault> {
        let (in_old, in_new) = self.last.take().ok_or(PatchFault::HunkLine)?;
        if in_old {
            self.old.open();
        }
        if in_new {
            self.new.open();
        }
        Ok(())
    }
}

impl Side {
    fn add(&mut self, content: &[u8]) -> Result<(), PatchFault> {
        if self.is_open {
            return Err(PatchFault::AfterEnd);
        }
        self.bytes.extend_from_slice(content);
        self.lines += 1;
        Ok(())
    }

    fn open(&mut self) {
        self.bytes.pop();
        self.is_open = true;
    }
}

/// The lines that a hunk covers in one form of a file.
#[derive(Debug, Clone, Copy)]
struct Range {
    start: u64,
    count: u64,
}

/// Parses `@@ -START[,COUNT] +START[,COUNT] @@`, with any text after it.
fn ranges(line: &[u8]) -> Option<(Range, Range)> {
    let (old, rest) = range(line.strip_prefix(b"@@ -")?)?;
    let (new, rest) = range(rest.strip_prefix(b" +")?)?;
    rest.starts_with(b" @@").then_some((old, new))
}

/// Parses `START[,COUNT]`; a missing count is one line.
fn range(text: &[u8]) -> Option<(Range, &[u8])> {
    let (start, rest) = number(text)?;
    let (count, rest) = match rest.strip_prefix(b",") {
        Some(rest) => number(rest)?,
        None => (1, rest),
    };
    Some((Range { start, count }, rest))
}

/// Parses a number of at most twelve digits, so that no sum can overflow.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(len);
    let number = std::str::from_utf8(digits).ok().filter(|_| len <= 12)?.parse().ok()?;
    Some((number, rest))
}
