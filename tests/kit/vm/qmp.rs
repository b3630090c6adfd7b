use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use camino::Utf8PathBuf;
use serde_json::{Value, json};

/// QEMU's control protocol, version 2: a JSON value a line; events appear between the answers.
#[derive(Debug)]
pub(super) struct Qmp {
    stream: BufReader<UnixStream>,
    /// The file with QEMU's errors.
    errors: Utf8PathBuf,
}

impl Qmp {
    /// Opens the connection, which starts with a greeting.
    pub(super) fn new(stream: UnixStream, errors: Utf8PathBuf) -> Self {
        let mut qmp = Self { stream: BufReader::new(stream), errors };
        let greeting = qmp.line();
        assert!(greeting["QMP"].is_object(), "{greeting}");
        qmp.run("qmp_capabilities", json!({}));
        qmp
    }

    /// Runs a command that must succeed.
    #[expect(clippy::needless_pass_by_value, reason = "callers make the arguments in place")]
    pub(super) fn run(&mut self, command: &str, arguments: Value) -> Value {
        let line = json!({ "execute": command, "arguments": arguments });
        self.stream
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())
            .expect("the control socket");
        self.until(|line| {
            assert!(line["error"].is_null(), "{command}: {line}");
            line.get("return").cloned()
        })
    }

    /// Waits for an event about the device `id`.
    pub(super) fn wait(&mut self, event: &str, id: &str) {
        self.until(|line| (line["event"] == event && line["data"]["device"] == id).then_some(()));
    }

    fn until<T>(&mut self, mut found: impl FnMut(&Value) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(&self.line()) {
                return found;
            }
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        serde_json::from_str(&line).unwrap_or_else(|error| {
            let errors = fs::read_to_string(&self.errors).unwrap_or_default();
            panic!("{read:?} {error} {line:?}: {errors}")
        })
    }
}
