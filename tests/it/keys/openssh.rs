//! The real `ssh-keygen`, `ssh-agent` and `ssh-add`, each in a folder of its own.

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

/// A folder to run OpenSSH's programs in.
pub(crate) struct OpenSsh {
    folder: TempDir,
}

/// How a program ended.
pub(crate) struct Ran {
    pub(crate) good: bool,
    pub(crate) stdout: Vec<u8>,
    /// Everything that it said, for messages.
    pub(crate) said: String,
}

impl Ran {
    /// Its output, given that it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Vec<u8> {
        assert!(self.good, "{}", self.said);
        self.stdout
    }
}

impl OpenSsh {
    /// The tools, unless this machine does not have them.
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

    /// Write a file that only its owner can read, as a private key has to be.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Run `ssh-keygen` in the folder.
    pub(crate) fn keygen<A: AsRef<OsStr>>(&self, args: &[A], stdin: &[u8]) -> Ran {
        self.run(Command::new("ssh-keygen").args(args), stdin)
    }

    /// Make a key, with all of `ssh-keygen`'s defaults but these.
    pub(crate) fn make_key(&self, name: &str, args: &[&str]) {
        let all = [&["-q", "-C", "made by ssh-keygen", "-f", name], args].concat();
        self.keygen(&all, b"").ok();
    }

    /// Sign `message` with the key in the file `name`.
    pub(crate) fn sign(&self, name: &str, role: Role, args: &[&str], message: &[u8]) -> Vec<u8> {
        let all = [&["-Y", "sign", "-f", name, "-n", role.namespace()], args].concat();
        self.keygen(&all, message).ok()
    }

    /// Read a key that has no passphrase.
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
        // It may end without having read everything.
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
        // The socket exists for a moment before the agent listens there.
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
