//! A simulated terminal user: a program in its own session on a pseudo-terminal, and its output.

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

/// The longest wait for a program.
const PATIENCE: Duration = Duration::from_mins(1);

/// The terminal, and the program on it.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The end of every question.
    prompt: &'static str,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// The length of the output that was already waited for.
    read: usize,
    child: Child,
}

impl Terminal {
    /// Starts `command` with a terminal as all three of its streams. Its questions end with
    /// `prompt`.
    ///
    /// `setsid` of util-linux makes it the controlling terminal of the session, so that Ctrl-C
    /// works.
    #[must_use]
    pub(crate) fn start(command: &Command, prompt: &'static str) -> Self {
        Self::session(command, prompt, &["--ctty"], |_| {})
    }

    /// Starts the command with some of the streams changed, and without Ctrl-C.
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
        // Tests in the background or under `nohup` ignore signals, and child processes inherit that.
        session.args(options).args(["env", "--default-signal=HUP,INT,TERM"]);
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
            // Reading fails when the last program has closed the terminal.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { prompt, keyboard, screen, seen: String::new(), read: 0, child }
    }

    /// Waits until `text` is on the screen, after the text that was waited for before.
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

    /// Types some keys.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Waits for the end of a question.
    pub(crate) fn asked(&mut self, question: &str) -> &mut Self {
        let prompt = self.prompt;
        self.wait_for(question).wait_for(prompt)
    }

    /// Answers a question: waits for it, then types the answer and Enter.
    pub(crate) fn answer(&mut self, question: &str, answer: &str) -> &mut Self {
        self.asked(question).press(answer).press("\n")
    }

    /// Waits for the end, and returns the exit status, if there is one, and all output.
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
