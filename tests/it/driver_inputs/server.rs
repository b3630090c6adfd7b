//! A test double of an AList server on loopback.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::loopback::Loopback;

pub(crate) struct AlistServer {
    server: Loopback,
    shared: Arc<Shared>,
}

/// Misbehavior of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whim {
    /// Correct behavior.
    None,
    /// The storage behind the server fails.
    NoRaw,
    /// Redirect files to this address.
    RawElsewhere(&'static str),
    /// Send an HTML page.
    Html,
    /// Send other content.
    NotJson,
    /// Refuse the request.
    Code(u16, &'static str),
    /// Send an answer that is too long.
    Huge,
    /// List empty folders.
    Empty,
    /// List more entries than the limit.
    Many,
}

struct Shared {
    files: Vec<(String, Vec<u8>)>,
    whim: Whim,
    asked: Mutex<Vec<String>>,
}

impl AlistServer {
    /// Starts a server with these files.
    pub(crate) fn new(files: Vec<(String, Vec<u8>)>, whim: Whim) -> Self {
        let shared = Arc::new(Shared { files, whim, asked: Mutex::default() });
        let ours = Arc::clone(&shared);
        let server = Loopback::start(move |stream| ours.serve(stream));
        Self { server, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Returns every requested path.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut line, mut host) = (String::new(), String::new());
        reader.read_line(&mut line)?;
        loop {
            let mut field = String::new();
            if reader.read_line(&mut field)? <= 2 {
                break;
            }
            if let Some(("host", value)) = field
                .to_ascii_lowercase()
                .split_once(": ")
                .map(|(name, value)| (name, value.trim()))
            {
                value.clone_into(&mut host);
            }
        }
        let target = line.split(' ').nth(1).unwrap_or("/").to_owned();
        self.asked.lock().unwrap().push(target.clone());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (status, body) = self.answer(&decode(path), query, &host);
        write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)
    }

    fn answer(&self, path: &str, query: &str, host: &str) -> (u16, Vec<u8>) {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| decode(value))
        };
        let file = |path: &str| self.files.iter().find(|(name, _)| name == path);
        // Downloads require the signature.
        let signed = |path: &str| {
            let is_signed = value("sign").as_deref() == Some("signature:0");
            file(path).filter(|_| is_signed).map_or((401, Vec::new()), |it| (200, it.1.clone()))
        };
        if let Some(path) = path.strip_prefix("/d") {
            return signed(path);
        }
        if let Some(path) = path.strip_prefix("/raw") {
            return if self.whim == Whim::NoRaw { (404, Vec::new()) } else { signed(path) };
        }
        let asked = value("path").unwrap_or_default();
        match self.whim {
            Whim::Html => return (200, b"\n<!DOCTYPE html><title>Just a moment</title>".to_vec()),
            Whim::NotJson => return (200, b"OK".to_vec()),
            Whim::Huge => return (200, vec![b' '; 5 << 20]),
            Whim::Code(code, message) => return said(code, message, Value::Null),
            _ => {}
        }
        match path {
            "/api/fs/list" => said(200, "success", self.list(&asked)),
            "/api/fs/get" if file(&asked).is_some() => {
                let raw = match self.whim {
                    Whim::RawElsewhere(url) => url.to_owned(),
                    _ => format!("http://{host}/raw{}?sign=signature:0", asked.replace(' ', "%20")),
                };
                said(
                    200,
                    "success",
                    json!({"raw_url": raw, "sign": "signature:0", "is_dir": false}),
                )
            }
            _ => said(500, "object not found", Value::Null),
        }
    }

    fn list(&self, folder: &str) -> Value {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        let below = self.files.iter().filter_map(|(name, _)| name.strip_prefix(&prefix));
        let names: BTreeSet<(&str, bool)> = below
            .map(|rest| rest.split_once('/').map_or((rest, false), |(name, _)| (name, true)))
            .collect();
        let entry =
            |name: &str, is_dir| json!({"name": name, "size": 1, "is_dir": is_dir, "sign": ""});
        let content: Vec<Value> = match self.whim {
            Whim::Empty => return json!({"content": null, "total": 0}),
            Whim::Many => (0..5_001).map(|at| entry(&format!("file-{at}"), false)).collect(),
            _ => names.into_iter().map(|(name, is_dir)| entry(name, is_dir)).collect(),
        };
        json!({"total": content.len(), "content": content, "readme": "", "provider": "Local"})
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn said(code: u16, message: &str, data: Value) -> (u16, Vec<u8>) {
    let answer = json!({"code": code, "message": message, "data": data});
    (200, serde_json::to_vec(&answer).unwrap())
}

/// Decodes a part of an address.
fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, more @ ..] = rest {
        let hex = more.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if code.is_some() { &more[2..] } else { more };
    }
    String::from_utf8(bytes).unwrap()
}
