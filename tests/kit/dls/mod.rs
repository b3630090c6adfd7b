//! A stand-in for FastAPI-DLS, the licence server that the real image cannot be had of here.
//!
//! It has the same ports, paths, environment and addresses, and needs and makes the same
//! certificates as version 1 and version 2 of the real one. It is a small program for Python's own
//! library, packed with the Python and the `openssl` of this machine into a container image.

mod service;
mod token;

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use camino::Utf8Path;
use serde_json::json;

pub use self::service::Service;
pub use self::token::check_token;
use crate::oci::{Compression, ImageSpec};
use crate::skip::have;

/// Which version of the real one it behaves as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Tokens are signed with `instance.private.pem`, which somebody has to put there.
    One,
    /// Tokens are signed with a chain of its own, which it makes when it first starts.
    Two,
}

const MAIN: &str = include_str!("main.py");
const UVICORN: &str = include_str!("uvicorn.py");
const NEEDS: &str = include_str!("needs.py");

/// The files that version 2 makes and that must never get lost, in its folder of certificates.
pub const CHAIN: [&str; 6] = [
    "root_private_key.pem",
    "root_certificate.pem",
    "ca_private_key.pem",
    "ca_certificate.pem",
    "si_private_key.pem",
    "si_certificate.pem",
];

/// Is everything here that the stand-in is made of? Says so if not.
#[must_use]
pub fn tools() -> bool {
    ["python3", "openssl", "ldd"].into_iter().all(have)
}

impl Generation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    fn number(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }

    /// The container image: what it runs is as in the real one's description.
    pub fn image(self) -> io::Result<ImageSpec> {
        let run = json!({
            "Entrypoint": [
                "uvicorn", "main:app", "--host", "0.0.0.0", "--port", "443", "--app-dir", "/app",
                "--proxy-headers", "--ssl-keyfile", "/app/cert/webserver.key",
                "--ssl-certfile", "/app/cert/webserver.crt",
            ],
            "Env": ["PATH=/usr/local/bin:/usr/bin", "PYTHONDONTWRITEBYTECODE=1"],
            "WorkingDir": "/app",
        });
        let (runtime, python) = runtime()?;
        let program = vec![
            ("usr/local/bin/uvicorn".to_owned(), format!("#!{python}\n{UVICORN}").into_bytes()),
            ("app/main.py".to_owned(), MAIN.into()),
            ("app/GENERATION".to_owned(), self.number().into()),
        ];
        let compression = vec![Compression::Gzip];
        let architecture = "amd64".to_owned();
        Ok(ImageSpec { layers: vec![runtime, program], compression, architecture, run })
    }

    /// What the operator of the real one makes beforehand, in `folder`: the web certificate for
    /// `address`, and for version 1 the pair of keys.
    pub fn prepare(self, folder: &Utf8Path, address: &str) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let run = |words: &[&str]| quiet(Command::new("openssl").current_dir(folder).args(words));
        let name = format!("subjectAltName={address}");
        run(&[
            "req",
            "-x509",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=dls",
            "-addext",
            &name,
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-keyout",
            "webserver.key",
            "-out",
            "webserver.crt",
        ])?;
        if self == Self::One {
            run(&["genrsa", "-out", "instance.private.pem", "2048"])?;
            let public = ["-pubout", "-out", "instance.public.pem"];
            run(&[&["rsa", "-in", "instance.private.pem"], &public[..]].concat())?;
        }
        Ok(())
    }
}

type Files = Vec<(String, Vec<u8>)>;

/// Python, `openssl` and all that they load, as the files of a layer; and where Python is.
fn runtime() -> io::Result<(Files, String)> {
    let needs = said(Command::new("python3").args(["-I", "-c", NEEDS]))?;
    let mut paths: Vec<String> = needs.lines().map(ToOwned::to_owned).collect();
    let python = said(Command::new("python3").args([
        "-I",
        "-c",
        "import os, sys; print(os.path.realpath(sys.executable))",
    ]))?;
    // The real one has a whole system below it; of that only this is used from outside.
    paths.extend(["/usr/bin/openssl", "/usr/bin/env"].map(str::to_owned));
    let programs = paths.iter().filter(|path| Utf8Path::new(path).extension() != Some("py"));
    let libraries = said(Command::new("ldd").args(programs))?;
    // `libz.so.1 => /lib/libz.so.1 (0x…)`, and the loader by its path alone.
    let library = |line: &str| {
        let line = line.split_once("=>").map_or(line, |(_, path)| path);
        line.split_whitespace().next().filter(|path| path.starts_with('/')).map(ToOwned::to_owned)
    };
    paths.extend(libraries.lines().filter(|line| line.starts_with('\t')).filter_map(library));
    paths.sort();
    paths.dedup();
    let file = |path: &String| Ok((path.trim_start_matches('/').to_owned(), fs::read(path)?));
    Ok((paths.iter().map(file).collect::<io::Result<Files>>()?, python.trim().to_owned()))
}

fn said(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(io::Error::other)
    } else {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(io::Error::other(format!("{command:?}: {error}")))
    }
}

fn quiet(command: &mut Command) -> io::Result<()> {
    said(command).map(drop)
}
