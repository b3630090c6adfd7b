//! Somebody at a terminal: a program in a session of its own on a pseudo-terminal, and what was seen.

#![allow(dead_code, reason = "each test that includes this file needs another part of it")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Ctrl-C.
pub(crate) const INTERRUPT: &str = "\u{3}";

/// Ctrl-D.
pub(crate) const END: &str = "\u{4}";

/// The most that anybody waits for a program.
const PATIENCE: Duration = Duration::from_mins(1);

/// The terminal, and the program on it.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// What questions end with.
    prompt: &'static str,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// How much of it has been waited for.
    read: usize,
    child: Child,
}

impl Terminal {
    /// Start `command` with a terminal as all three of its streams. Its questions end with
    /// `prompt`.
    ///
    /// `setsid` of util-linux makes it the session's own terminal, so that Ctrl-C is what it is.
    #[must_use]
    pub(crate) fn start(command: &Command, prompt: &'static str) -> Self {
        Self::session(command, prompt, &["--ctty"], |_| {})
    }

    /// The same, with some of the streams changed, and without Ctrl-C.
    #[must_use]
    pub(crate) fn start_with(command: &Command, change: impl FnOnce(&mut Command)) -> Self {
        Self::session(command, "", &[], change)
    }

    fn session(
        command: &Command,
        prompt: &'static str,
        options: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = File::from(open(name, flags, Mode::empty()).unwrap());

        let mut session = Command::new("setsid");
        // Whoever runs tests in the background has Ctrl-C ignored, also by what the tests start.
        session.args(options).args(["env", "--default-signal=INT"]);
        session.arg(command.get_program()).args(command.get_args());
        session.current_dir(command.get_current_dir().unwrap_or(".".as_ref()));
        session.env_clear().envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        if let Some(path) = std::env::var_os("PATH") {
            session.env("PATH", path);
        }
        session.stdin(slave.try_clone().unwrap());
        session.stdout(slave.try_clone().unwrap());
        session.stderr(slave);
        change(&mut session);
        let child = session.spawn().unwrap();
        drop(session);

        let keyboard = File::from(master);
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // When the last program has left the terminal, reading fails.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { prompt, keyboard, screen, seen: String::new(), read: 0, child }
    }

    /// Wait until `text` is on the screen, after what was waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) -> &mut Self {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                self.read += at + text.len();
                return self;
            }
            match self.screen.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.show(&bytes),
                Err(error) => panic!("{error} before {text:?} was seen:\n{}", self.seen),
            }
        }
    }

    /// Type some keys.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Wait for a question, to its end.
    pub(crate) fn asked(&mut self, question: &str) -> &mut Self {
        let prompt = self.prompt;
        self.wait_for(question).wait_for(prompt)
    }

    /// Answer a question: wait for it, then type the answer and enter.
    pub(crate) fn answer(&mut self, question: &str, answer: &str) -> &mut Self {
        self.asked(question).press(answer).press("\n")
    }

    /// Wait for the end, and return the exit status, if there is one, and all that was seen.
    #[must_use]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.screen.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.show(&bytes),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => {
                    let _ = self.child.kill();
                    panic!("{error} while waiting for the end:\n{}", self.seen);
                }
            }
        }
        let status = self.child.wait().unwrap();
        (status.code(), self.seen)
    }

    fn show(&mut self, bytes: &[u8]) {
        self.seen += &String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    }
}
