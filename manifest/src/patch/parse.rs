use super::error::{PatchError, PatchFault};
use super::{Change, FilePatch, Hunk, MAX_PATCH, TreePath};

/// Parses the diffs in a patch.
pub(super) fn patch(bytes: &[u8]) -> Result<Vec<FilePatch>, PatchError> {
    if bytes.len() as u64 > MAX_PATCH {
        return Err(PatchError { line: 1, fault: PatchFault::TooLarge });
    }
    let mut lines = Lines::new(bytes);
    let mut files: Vec<FilePatch> = Vec::new();
    let mut in_git_header = false;
    loop {
        let line = lines.number();
        let error = |fault| PatchError { line, fault };
        let Some(text) = lines.peek() else { break };
        if begins_file(&lines) {
            let file = file(&mut lines)?;
            if files.iter().any(|other| other.path == file.path) {
                return Err(error(PatchFault::Twice(file.path)));
            }
            files.push(file);
            in_git_header = false;
        } else {
            in_git_header |= text.starts_with(b"diff --git ");
            check_prose(text, in_git_header).map_err(error)?;
            lines.next();
        }
    }
    if files.is_empty() {
        return Err(PatchError { line: 1, fault: PatchFault::Empty });
    }
    Ok(files)
}

fn begins_file(lines: &Lines<'_>) -> bool {
    let old = lines.peek().unwrap_or_default();
    old.starts_with(b"--- ") && lines.peek_second().is_some_and(|new| new.starts_with(b"+++ "))
}

/// Ignores text outside the diffs, unless another program would interpret it as a part of one.
fn check_prose(line: &[u8], in_git_header: bool) -> Result<(), PatchFault> {
    let kinds: [(&[u8], &str); 3] = [
        (b"GIT binary patch", "a binary patch of git"),
        (b"***************", "a context diff"),
        (b"Binary files ", "a diff that leaves binary files out"),
    ];
    if let Some((_, kind)) = kinds.iter().find(|(start, _)| line.starts_with(start)) {
        return Err(PatchFault::Kind(kind));
    }
    if in_git_header {
        check_git_header(line)?;
    }
    // GNU patch removes the prefix that mail programs put before each line, and would apply this.
    let bare = line.trim_ascii_start();
    let bare = bare.strip_prefix(b">").unwrap_or(bare).trim_ascii_start();
    if bare.starts_with(b"@@ -") { Err(PatchFault::Stray) } else { Ok(()) }
}

/// Refuses what the header lines of git can say beyond the names and lines of a plain diff.
fn check_git_header(line: &[u8]) -> Result<(), PatchFault> {
    let kinds: [(&[u8], &str); 8] = [
        (b"old mode ", MODE),
        (b"new mode ", MODE),
        (b"new file mode ", MODE),
        (b"deleted file mode ", MODE),
        (b"rename from ", RENAME),
        (b"rename to ", RENAME),
        (b"copy from ", RENAME),
        (b"copy to ", RENAME),
    ];
    if let Some((_, kind)) = kinds.iter().find(|(start, _)| line.starts_with(start)) {
        return Err(PatchFault::Kind(kind));
    }
    // `index OLD..NEW MODE` repeats a mode that stays. Only regular files can be patched.
    let mut words = line.trim_ascii_end().split(|b| *b == b' ');
    let mode = if words.next() == Some(b"index") { words.nth(1) } else { None };
    match mode {
        Some(mode) if !mode.starts_with(b"100") => Err(PatchFault::Kind(SPECIAL)),
        _ => Ok(()),
    }
}

const MODE: &str = "a change of a file mode";
const RENAME: &str = "a renamed or copied file";
const SPECIAL: &str = "a diff of a link or a submodule";

/// Parses the diff of a file, whose names come next.
fn file(lines: &mut Lines<'_>) -> Result<FilePatch, PatchError> {
    let line = lines.number();
    let names = [name(lines.next()), name(lines.next())];
    let error = |fault| PatchError { line, fault };
    let [old, new] = names;
    let (old, new) = (old.map_err(error)?, new.map_err(error)?);

    let mut hunks: Vec<Hunk> = Vec::new();
    while lines.peek().is_some_and(|line| line.starts_with(b"@@ -")) {
        let start = lines.number();
        let hunk = Hunk::read(lines);
        // A fault in a line is reported at that line, other faults at the first line of the hunk.
        let at = |line, fault| PatchError { line, fault };
        let hunk = hunk.map_err(|fault| match fault {
            PatchFault::HunkLine | PatchFault::Truncated | PatchFault::AfterEnd => {
                at(lines.number().saturating_sub(1), fault)
            }
            fault => at(start, fault),
        })?;
        if let Some(before) = hunks.last() {
            check_after(before, &hunk).map_err(|fault| at(start, fault))?;
        }
        hunks.push(hunk);
        if lines.peek().is_some_and(goes_on) && !begins_file(lines) {
            return Err(PatchError { line: lines.number(), fault: PatchFault::Count });
        }
    }
    let (path, change) = resolve(old, new, &hunks).map_err(error)?;
    Ok(FilePatch { path, change, hunks })
}

/// Checks whether a line after a hunk looks like one more line of it. Mail programs and git end a
/// patch with a line of two dashes and a blank, and editors leave blank lines behind. GNU patch
/// ignores everything here; the library only what cannot be a lost change.
fn goes_on(line: &[u8]) -> bool {
    let looks_so = matches!(line, [b' ' | b'-' | b'+', ..] | [b'\\', b' ', ..]);
    looks_so && line.trim_ascii_end() != b"--" && !line.trim_ascii().is_empty()
}

/// Checks that hunks are in order, do not overlap, and do not follow the end of the file.
fn check_after(before: &Hunk, hunk: &Hunk) -> Result<(), PatchFault> {
    if before.ends_file {
        return Err(PatchFault::AfterEnd);
    }
    if hunk.at < before.at + before.old_lines { Err(PatchFault::Order) } else { Ok(()) }
}

/// One of the two names of a file.
struct Name {
    /// `None` for `/dev/null`.
    path: Option<TreePath>,
    /// Whether the time stamp is the epoch, by which diff marks a missing file.
    is_epoch: bool,
}

/// Parses the name in `--- NAME` or `+++ NAME`, up to a tab, which a time stamp may follow.
fn name(line: Option<&[u8]>) -> Result<Name, PatchFault> {
    let text = line.and_then(|line| line.get(4..)).unwrap_or_default();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.ends_with(b"\r") {
        return Err(PatchFault::Converted);
    }
    let mut parts = text.splitn(2, |b| *b == b'\t');
    let written = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let is_epoch = parts.next().is_some_and(is_epoch);
    if written == "/dev/null" {
        return Ok(Name { path: None, is_epoch });
    }
    let mut bare = &*written;
    while let Some(rest) = bare.strip_prefix("./") {
        bare = rest;
    }
    match bare.parse() {
        Ok(path) => Ok(Name { path: Some(path), is_epoch }),
        Err(_) => Err(PatchFault::Name(written.chars().take(120).collect())),
    }
}

/// Checks for `1970-01-01 00:00:00.000000000 +0000`, or the same moment in another time zone.
fn is_epoch(stamp: &[u8]) -> bool {
    let moment = || {
        let mut words = std::str::from_utf8(stamp).ok()?.split_ascii_whitespace();
        let days = match words.next()? {
            "1970-01-01" => 0,
            "1969-12-31" => -1,
            _ => return None,
        };
        let (whole, fraction) = clock_and_fraction(words.next()?);
        let mut clock = whole.splitn(3, ':').map(|part| part.parse::<i64>().ok());
        let (h, m, s) = (clock.next()??, clock.next()??, clock.next()??);
        let zone = words.next()?;
        let (sign, digits) = (if zone.starts_with('-') { -1 } else { 1 }, zone.get(1..)?);
        let zone = digits.parse::<i64>().ok()?;
        let zone = sign * (zone / 100 * 3600 + zone % 100 * 60);
        let none = fraction.bytes().all(|b| b == b'0');
        none.then_some(days * 86_400 + h * 3600 + m * 60 + s - zone)
    };
    moment() == Some(0)
}

fn clock_and_fraction(text: &str) -> (&str, &str) {
    text.split_once('.').unwrap_or((text, ""))
}

/// Determines the file and the effect on it.
fn resolve(old: Name, new: Name, hunks: &[Hunk]) -> Result<(TreePath, Change), PatchFault> {
    let [first, ..] = hunks else { return Err(PatchFault::NoHunk) };
    let creates = hunks.len() == 1 && first.at == 0 && first.old_lines == 0;
    let empties = hunks.len() == 1 && first.at == 0 && first.new.is_empty();
    let goes = empties && !creates && (new.path.is_none() || new.is_epoch);
    let change = match (creates, goes) {
        (true, _) => Change::Created,
        (_, true) => Change::Deleted,
        _ => Change::Modified,
    };
    let path = match (old.path, new.path) {
        (None, Some(path)) if creates => path,
        (Some(path), None) if goes => path,
        (Some(old), Some(new)) => one_of(old, new)?,
        _ => return Err(PatchFault::Null),
    };
    Ok((path, change))
}

/// Selects the name of the file. GNU patch uses the name that exists, and the shorter one of two.
/// If one name extends the other, as in `a` and `a.orig`, the shorter one is used; other
/// differences are an error.
fn one_of(old: TreePath, new: TreePath) -> Result<TreePath, PatchFault> {
    let extends = |long: &TreePath, short: &TreePath| {
        let rest = long.as_str().strip_prefix(short.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '~', '-', '_']))
    };
    if extends(&new, &old) {
        Ok(old)
    } else if extends(&old, &new) {
        Ok(new)
    } else {
        Err(PatchFault::Names(old, new))
    }
}

/// The lines of a patch, with the current position.
#[derive(Debug)]
pub(super) struct Lines<'p> {
    rest: &'p [u8],
    /// The number of the next line, from 1.
    number: usize,
}

impl<'p> Lines<'p> {
    pub(super) fn new(bytes: &'p [u8]) -> Self {
        Self { rest: bytes, number: 1 }
    }

    /// The number of the next line, from 1.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Returns the next line with its newline, which only the last line can lack.
    pub(super) fn peek(&self) -> Option<&'p [u8]> {
        self.rest.split_inclusive(|b| *b == b'\n').next()
    }

    /// Returns the line after the next one.
    pub(super) fn peek_second(&self) -> Option<&'p [u8]> {
        self.rest.split_inclusive(|b| *b == b'\n').nth(1)
    }

    pub(super) fn next(&mut self) -> Option<&'p [u8]> {
        let line = self.peek()?;
        self.rest = &self.rest[line.len()..];
        self.number += 1;
        Some(line)
    }
}
