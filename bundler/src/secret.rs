//! Passphrase prompts. A passphrase is never an argument, which other users could see.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};

use camino::Utf8Path;
use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use zeroize::Zeroizing;

/// The size limit: far more than a passphrase, and far less than a file named by mistake.
const MAX_LEN: u64 = 4096;

/// Reads the passphrase in the first line of a file or of `/dev/fd/N`.
pub(crate) fn from_file(path: &Utf8Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    fs::File::open(path)?.take(MAX_LEN).read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// Prompts for a passphrase on the terminal without echo.
pub(crate) fn from_terminal(prompt: &str) -> io::Result<Zeroizing<String>> {
    // Use the terminal itself: stdin and stderr may be redirected.
    let tty = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|_| io::Error::other("no terminal to ask on; use `--passphrase-file`"))?;
    let silence = Silence::begin(&tty)?;
    write!(&tty, "{prompt}")?;
    let passphrase = read_line(&tty);
    drop(silence);
    writeln!(&tty)?;
    passphrase
}

/// Reads key by key, so that an interrupt can restore the terminal first.
fn read_line(mut tty: &File) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_LEN).unwrap_or_default()));
    loop {
        let mut key = [0];
        tty.read_exact(&mut key)?;
        match key[0] {
            b'\r' | b'\n' => break,
            // Ctrl-C, Ctrl-D.
            3 | 4 => return Err(io::Error::other("cancelled")),
            // Backspace: remove the last character with all its bytes.
            8 | 127 => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Ctrl-U.
            21 => line.clear(),
            _ if line.len() == line.capacity() => return Err(io::Error::other("it is too long")),
            byte => line.push(byte),
        }
    }
    let text = std::str::from_utf8(&line).map_err(|_| io::Error::other("it is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Disables the echo of a terminal until dropped.
struct Silence<'t> {
    tty: &'t File,
    before: Termios,
}

impl<'t> Silence<'t> {
    fn begin(tty: &'t File) -> io::Result<Self> {
        let before = termios::tcgetattr(tty)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(tty, OptionalActions::Flush, &silent)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = termios::tcsetattr(self.tty, OptionalActions::Flush, &self.before);
    }
}
