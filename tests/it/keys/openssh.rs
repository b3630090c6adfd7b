//! The real `ssh-keygen`, `ssh-agent` and `ssh-add`, each in its own folder.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;
use vgpu_keys::{KeyFile, Role};

/// A folder for OpenSSH's programs.
pub(crate) struct OpenSsh {
    folder: TempDir,
}

/// The result of a program.
pub(crate) struct Ran {
    pub(crate) good: bool,
    pub(crate) stdout: Vec<u8>,
    /// All output, for messages.
    pub(crate) said: String,
}

impl Ran {
    /// Returns the output of a successful run.
    #[track_caller]
    pub(crate) fn ok(self) -> Vec<u8> {
        assert!(self.good, "{}", self.said);
        self.stdout
    }
}

impl OpenSsh {
    /// Returns the tools, or `None` if this machine does not have them.
    pub(crate) fn find() -> Option<Self> {
        for tool in ["ssh-keygen", "ssh-agent", "ssh-add"] {
            // None of them has an option that only prints something and succeeds.
            let missing = Command::new(tool)
                .arg("-?")
                .stdin(Stdio::null())
                .output()
                .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
            if missing {
                assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs {tool}");
                eprintln!("skipped: needs {tool}");
                return None;
            }
        }
        Some(Self { folder: TempDir::new().unwrap() })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Writes a file that only its owner can read, as OpenSSH requires for private keys.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Runs `ssh-keygen` in the folder.
    pub(crate) fn keygen<A: AsRef<OsStr>>(&self, args: &[A], stdin: &[u8]) -> Ran {
        self.run(Command::new("ssh-keygen").args(args), stdin)
    }

    /// Creates a key with these options, and otherwise the defaults of `ssh-keygen`.
    pub(crate) fn make_key(&self, name: &str, args: &[&str]) {
        let all = [&["-q", "-C", "made by ssh-keygen", "-f", name], args].concat();
        self.keygen(&all, b"").ok();
    }

    /// Signs `message` with the key in the file `name`.
    pub(crate) fn sign(&self, name: &str, role: Role, args: &[&str], message: &[u8]) -> Vec<u8> {
        let all = [&["-Y", "sign", "-f", name, "-n", role.namespace()], args].concat();
        self.keygen(&all, message).ok()
    }

    /// Reads a key without a passphrase.
    pub(crate) fn key_file(&self, name: &str) -> KeyFile {
        KeyFile::parse(&self.read(name), &mut || panic!("asked for a passphrase")).unwrap()
    }

    pub(crate) fn run(&self, command: &mut Command, stdin: &[u8]) -> Ran {
        let mut child = command
            .current_dir(self.folder.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The program may exit before it has read all input.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[&*stdout, &*stderr].concat()).into_owned();
        Ran { good: status.success(), stdout, said }
    }
}

/// An ssh-agent that ends with the test.
pub(crate) struct RealAgent<'a> {
    tools: &'a OpenSsh,
    socket: PathBuf,
    child: Child,
}

impl<'a> RealAgent<'a> {
    pub(crate) fn start(tools: &'a OpenSsh) -> Self {
        let socket = tools.path("agent");
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        // The socket exists shortly before the agent listens on it.
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "the ssh-agent does not start");
            thread::sleep(Duration::from_millis(10));
        }
        Self { tools, socket, child }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn add(&self, args: &[&str]) {
        let mut command = Command::new("ssh-add");
        self.tools.run(command.args(args).env("SSH_AUTH_SOCK", &self.socket), b"").ok();
    }
}

impl Drop for RealAgent<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
