//! A forward proxy on loopback, like a corporate one: plain requests with absolute URLs, and
//! tunnels with `CONNECT`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::loopback::Loopback;

/// A proxy that connects every request to loopback, so that names need no resolver.
pub(crate) struct Proxy {
    server: Loopback,
    shared: Arc<Shared>,
}

struct Shared {
    /// The first line of each request.
    asked: Mutex<Vec<String>>,
    /// The required value of `Proxy-Authorization`, if any.
    pass: Option<String>,
}

impl Proxy {
    /// Starts a proxy that serves every client, or only those that send `pass`.
    pub(crate) fn new(pass: Option<&str>) -> Self {
        let shared = Arc::new(Shared { asked: Mutex::default(), pass: pass.map(str::to_owned) });
        let ours = Arc::clone(&shared);
        let server = Loopback::start(move |stream| ours.serve(stream));
        Self { server, shared }
    }

    /// Returns its address, without a scheme.
    pub(crate) fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// Returns the first line of each request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head)? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let (first, fields) = head.split_once("\r\n").unwrap();
        self.asked.lock().unwrap().push(first.to_owned());
        let says = |pass: &String| {
            let mut fields = fields.lines().filter_map(|line| line.split_once(": "));
            fields.any(|(name, value)| {
                name.eq_ignore_ascii_case("proxy-authorization") && value == pass
            })
        };
        if self.pass.as_ref().is_some_and(|pass| !says(pass)) {
            return client.write_all(
                b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            );
        }
        let target = first.split(' ').nth(1).unwrap();
        if first.starts_with("CONNECT ") {
            let server = connect(target)?;
            client.write_all(b"HTTP/1.1 200 Go\r\n\r\n")?;
            return pipe(&client, &server);
        }
        let rest = target.strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let mut server = connect(host)?;
        write!(server, "GET /{path} HTTP/1.1\r\n{fields}")?;
        pipe(&client, &server)
    }
}

fn connect(host: &str) -> std::io::Result<TcpStream> {
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80);
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Copies in both directions, until the server has sent everything.
fn pipe(client: &TcpStream, server: &TcpStream) -> std::io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(&mut from, &mut to));
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    copy(&mut from, &mut to);
    client.shutdown(std::net::Shutdown::Both)
}

fn copy(from: &mut TcpStream, to: &mut TcpStream) {
    let mut buf = [0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut buf) {
        if to.write_all(&buf[..n]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
