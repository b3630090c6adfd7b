//! A stand-in for FastAPI-DLS, the license server, whose real image is not available to the tests.
//!
//! It has the same ports, paths, environment and addresses, and needs and creates the same
//! certificates as versions 1 and 2 of the real server. It is a small program for Python's standard
//! library, packed with this machine's Python and `openssl` into a container image.

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

/// The version of the real server that it imitates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// The operator provides `instance.private.pem`, which signs tokens.
    One,
    /// The server creates its own certificate chain, which signs tokens, when it first starts.
    Two,
}

const MAIN: &str = include_str!("main.py");
const UVICORN: &str = include_str!("uvicorn.py");
const NEEDS: &str = include_str!("needs.py");

/// The files that version 2 creates in its certificate folder and that must never be lost.
pub const CHAIN: [&str; 6] = [
    "root_private_key.pem",
    "root_certificate.pem",
    "ca_private_key.pem",
    "ca_certificate.pem",
    "si_private_key.pem",
    "si_certificate.pem",
];

/// Checks whether all parts of the stand-in are available. Prints a message if not.
#[must_use]
pub fn tools() -> bool {
    ["python3", "openssl", "ldd"].into_iter().all(have)
}

impl Generation {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    fn number(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }

    /// Returns the container image, configured like the real one.
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

    /// Creates the operator's files in `folder`: the web certificate for `address`, and for version
    /// 1 the key pair.
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

/// Returns Python, `openssl` and their libraries as the files of a layer, and the path of Python.
fn runtime() -> io::Result<(Files, String)> {
    let needs = said(Command::new("python3").args(["-I", "-c", NEEDS]))?;
    let mut paths: Vec<String> = needs.lines().map(ToOwned::to_owned).collect();
    let python = said(Command::new("python3").args([
        "-I",
        "-c",
        "import os, sys; print(os.path.realpath(sys.executable))",
    ]))?;
    // The real image has a complete system below it, of which only this is used from outside.
    paths.extend(["/usr/bin/openssl", "/usr/bin/env"].map(str::to_owned));
    let programs = paths.iter().filter(|path| Utf8Path::new(path).extension() != Some("py"));
    let libraries = said(Command::new("ldd").args(programs))?;
    // `libz.so.1 => /lib/libz.so.1 (0x…)`; the loader is listed by its path alone.
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
