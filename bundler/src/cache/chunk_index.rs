//! The chunk index of a content, which saves reading it twice when it is packed.
//!
//! It has a line about the file, a line per chunk, and the digest of all these lines, which detects
//! truncation and damage. It is valid only while the file is untouched; and every chunk is verified
//! again when it is packed.

use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;

use camino::Utf8Path;
use vgpu_manifest::{Digest, Measured};

use super::incoming::put;

/// Writes the note about the file `content`, measured as `measured`, to `path`.
pub(super) fn write(
    path: &Utf8Path,
    dir: &Utf8Path,
    content: &Metadata,
    measured: &Measured,
) -> io::Result<()> {
    let mut text = head(measured.sha256, content);
    for chunk in &measured.chunks {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{chunk}");
    }
    let _ = writeln!(text, "{}", Digest::of(text.as_bytes()));
    put(path, dir, text.as_bytes())
}

/// Reads the note at `path`, if it is valid for the current file `content`.
pub(super) fn read(path: &Utf8Path, sha256: Digest, content: &Metadata) -> Option<Measured> {
    let text = fs::read_to_string(path).ok()?;
    let (body, seal) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = &text[..=body.len()];
    let chunks = body.strip_prefix(&head(sha256, content))?;
    let chunks: Option<Vec<Digest>> = chunks.lines().map(|line| line.parse().ok()).collect();
    let is_sealed = seal.parse() == Ok(Digest::of(body.as_bytes()));
    let size = content.len();
    chunks.filter(|_| is_sealed).map(|chunks| Measured { size, sha256, chunks })
}

/// Returns the attributes that every change of a file changes; `ctime` cannot be set.
fn head(sha256: Digest, content: &Metadata) -> String {
    let (size, inode) = (content.len(), content.ino());
    let changed = [content.mtime(), content.mtime_nsec(), content.ctime(), content.ctime_nsec()];
    let [mtime, mtime_nsec, ctime, ctime_nsec] = changed;
    format!("{sha256} {size} {inode} {mtime}.{mtime_nsec:09} {ctime}.{ctime_nsec:09}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_was_touched_is_no_note() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (path, content) = (dir.join("note"), dir.join("content"));
        fs::write(&content, "content").unwrap();
        let meta = fs::metadata(&content).unwrap();
        let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
        let measured = Measured { size: 7, sha256: a, chunks: vec![b, a] };
        write(&path, dir, &meta, &measured).unwrap();
        assert_eq!(read(&path, a, &meta), Some(measured));
        assert_eq!(read(&path, b, &meta), None);

        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(read(&path, a, &meta), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(read(&path, a, &meta), None, "cut at {at}");
        }
        fs::write(&path, &whole).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&content, "Content").unwrap();
        let file = fs::File::options().write(true).open(&content).unwrap();
        file.set_modified(meta.modified().unwrap()).unwrap();
        assert_eq!(read(&path, a, &fs::metadata(&content).unwrap()), None);
    }
}
