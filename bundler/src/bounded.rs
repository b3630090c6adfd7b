//! Reading files that the operator names, which may be anything, such as `/dev/zero`.

use std::fs::File;
use std::io::{self, Read as _};

use camino::Utf8Path;

/// The largest file of keys, signatures or allowed signers.
pub(crate) const MAX_KEYS: u64 = 1 << 20;

/// Returns the bytes of a file of at most `max` bytes.
pub(crate) fn read(path: &Utf8Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        let what = format!("it is larger than the {max} bytes allowed");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// Returns the first bytes of a file, at most `max`.
pub(crate) fn head(path: &Utf8Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the text of a file of at most `max` bytes.
pub(crate) fn read_text(path: &Utf8Path, max: u64) -> io::Result<String> {
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8");
    String::from_utf8(read(path, max)?).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_file_is_refused_and_one_of_the_limit_is_not() {
        let error = read(Utf8Path::new("/dev/zero"), 1000).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than the 1000 bytes allowed");
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read_text(&path, 3).unwrap(), "abc");
        assert!(read_text(&path, 2).is_err());
    }
}
