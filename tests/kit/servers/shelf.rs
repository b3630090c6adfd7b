//! A web server on loopback that serves a folder, optionally with a password.

#![allow(dead_code, reason = "each test that includes this file needs another part of it")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::loopback::Loopback;

/// A file server.
pub(crate) struct Shelf {
    server: Loopback,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    /// The required value of `Authorization`.
    wanted: Option<String>,
    /// The path of each request, and the status of its answer.
    seen: Mutex<Vec<(String, u16)>>,
}

impl Shelf {
    /// Serves the folder `root` to every client.
    pub(crate) fn new(root: &Path) -> Self {
        Self::serve(root, None)
    }

    /// Serves the folder to clients that send this in `Authorization`.
    pub(crate) fn locked(root: &Path, wanted: &str) -> Self {
        Self::serve(root, Some(wanted.to_owned()))
    }

    fn serve(root: &Path, wanted: Option<String>) -> Self {
        let root = root.to_owned();
        let shared = Arc::new(Shared { root, wanted, seen: Mutex::default() });
        let ours = Arc::clone(&shared);
        let server = Loopback::start(move |stream| ours.answer(&stream));
        Self { server, shared }
    }

    /// Returns the folder.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Returns the path of each request so far, and the status of its answer.
    pub(crate) fn seen(&self) -> Vec<(String, u16)> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Shared {
    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut said = None;
        for line in lines {
            let line = line?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("authorization")
            {
                said = Some(value.to_owned());
            }
        }
        let file = self.root.join(path.trim_start_matches('/').replace("%25", "%"));
        let (status, body) = match fs::read(file) {
            _ if self.wanted.is_some() && self.wanted != said => (401, Vec::new()),
            Ok(body) => (200, body),
            Err(_) => (404, Vec::new()),
        };
        self.seen.lock().unwrap().push((path, status));
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )?;
        stream.write_all(&body)
    }
}
