//! A web server on loopback that simulates misbehaving servers and networks.

#![allow(dead_code, reason = "each test that includes this file needs another part of it")]

use std::collections::VecDeque;
use std::io::{Read as _, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::loopback::Loopback;

/// The reaction of the server to one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Serve the content, or the requested range, with an `ETag`.
    Honest,
    /// Announce the full length, send this many bytes, close.
    Truncate(usize),
    /// Serve the request, but close at this offset of the content.
    CutAt(usize),
    /// Announce the full length, send this many bytes, reset the connection.
    Reset(usize),
    /// Announce the full length, send this many bytes, then stall.
    Stall(usize),
    /// Send single bytes with long pauses.
    Trickle,
    /// Redirect the client to the same address.
    Loop,
    /// Redirect the client to this address.
    Redirect(String),
    /// Serve the whole content, whatever range was requested.
    IgnoreRange,
    /// Answer with another range than the requested one.
    WrongRange,
    /// Replace the content from now on, with a new `ETag`.
    Become(Vec<u8>),
    /// Replace the content, but not its `ETag`.
    Swap(Vec<u8>),
    /// Answer with this status, and these headers.
    Status(u16, &'static str),
    /// Send this many zero bytes without announcing a length.
    Endless(usize),
    /// Announce more than there is.
    Promise(u64),
    /// Announce neither the length nor the end of the content.
    NoLength(usize),
    /// Serve the content with chunked transfer encoding, without its length.
    Chunked,
    /// Send data that is not HTTP.
    Noise,
    /// Serve the content with this delay before each 64 KiB.
    Slow(Duration),
    /// Serve the content at this many bytes a second.
    Rate(u64),
    /// Send a header letter by letter, without end.
    SlowHead,
    /// Send headers without end.
    EndlessHead,
    /// Send interim responses without end.
    Continue,
    /// Declare the content as compressed, although the client did not request it.
    Gzip,
    /// Serve only this many bytes of the rest, and declare them as the rest.
    ShortRange(usize),
    /// Serve the rest and additional bytes.
    LongRange,
    /// Serve the rest up to this offset, and declare it as the end of the content.
    OtherTotal(usize),
    /// Serve the content with two different lengths.
    TwoLengths,
    /// Serve the content in chunks, with a wrong total length.
    ChunkedWithLength(u64),
    /// Serve the content in chunks of size zero.
    BadChunks,
}

#[derive(Debug)]
pub(crate) struct Liar {
    server: Loopback,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    acts: Mutex<VecDeque<Act>>,
    content: Mutex<(Vec<u8>, usize)>,
    /// Every content so far.
    had: Mutex<Vec<Vec<u8>>>,
    ranges: Mutex<Vec<Option<u64>>>,
    gauge: Arc<Gauge>,
    stop: Arc<AtomicBool>,
}

/// The number of requests at one time.
#[derive(Debug, Default)]
struct Gauge {
    busy: AtomicUsize,
    busiest: AtomicUsize,
}

impl Liar {
    /// Starts servers whose simultaneous requests are counted together.
    pub(crate) fn group(contents: &[Vec<u8>], act: &Act) -> Vec<Self> {
        let gauge = Arc::default();
        let server = |content: &Vec<u8>| Self::with(content, [act.clone()], Arc::clone(&gauge));
        contents.iter().map(server).collect()
    }

    /// Serves `content`, one act per request; the last act is repeated.
    pub(crate) fn new(content: &[u8], acts: impl IntoIterator<Item = Act>) -> Self {
        Self::with(content, acts, Arc::default())
    }

    fn with(content: &[u8], acts: impl IntoIterator<Item = Act>, gauge: Arc<Gauge>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            acts: Mutex::new(acts.into_iter().collect()),
            content: Mutex::new((content.to_vec(), 0)),
            had: Mutex::new(vec![content.to_vec()]),
            ranges: Mutex::default(),
            gauge,
            stop: Arc::clone(&stop),
        });
        let ours = Arc::clone(&shared);
        let server = Loopback::until(stop, move |stream| ours.serve(stream));
        Self { server, shared }
    }

    /// Returns the address of the content.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/content", self.server.address())
    }

    /// Replaces the acts.
    pub(crate) fn now(&self, acts: impl IntoIterator<Item = Act>) {
        *self.shared.acts.lock().unwrap() = acts.into_iter().collect();
    }

    /// Returns the first requested byte of each request; `None` if it requested everything.
    pub(crate) fn ranges(&self) -> Vec<Option<u64>> {
        self.shared.ranges.lock().unwrap().clone()
    }

    /// Returns every content so far.
    pub(crate) fn had(&self) -> Vec<Vec<u8>> {
        self.shared.had.lock().unwrap().clone()
    }

    /// Returns the maximum number of simultaneous requests since the last call.
    pub(crate) fn busiest(&self) -> usize {
        self.shared.gauge.busiest.swap(0, Ordering::SeqCst)
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let busy = self.gauge.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.gauge.busiest.fetch_max(busy, Ordering::SeqCst);
        let answered = self.answer(stream);
        self.gauge.busy.fetch_sub(1, Ordering::SeqCst);
        answered
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let request = peek_request(&stream)?;
        let from = range_of(&request);
        self.ranges.lock().unwrap().push(from);
        let act = {
            let mut acts = self.acts.lock().unwrap();
            if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() }
        };
        if !matches!(act, Act::Reset(_)) {
            // Unread data turns the close of a socket into a reset.
            stream.read_exact(&mut vec![0; request.len()])?;
        }
        if let Act::Become(new) | Act::Swap(new) = &act {
            let mut content = self.content.lock().unwrap();
            content.1 += usize::from(matches!(act, Act::Become(_)));
            content.0.clone_from(new);
            self.had.lock().unwrap().push(new.clone());
        }
        let (content, version) = self.content.lock().unwrap().clone();
        let tag = format!("\"v{version}\"");
        let asked = header(&request, "if-range").is_none_or(|wanted| wanted == tag);
        let from = from.filter(|_| asked).map(|from| usize::try_from(from).unwrap());
        let whole = format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {}", content.len());
        let out = &mut stream;
        match act {
            Act::Honest | Act::Become(_) | Act::Swap(_) => match from {
                Some(from) if from >= content.len() => send(out, "HTTP/1.1 416 No", &[]),
                Some(from) => {
                    let rest = &content[from..];
                    send(out, &part(&tag, from, content.len(), rest.len()), rest)
                }
                None => send(out, &whole, &content),
            },
            Act::IgnoreRange => send(out, &whole, &content),
            Act::WrongRange => send(out, &part(&tag, 0, content.len(), content.len()), &content),
            Act::Truncate(n) | Act::Reset(n) => send(out, &whole, &content[..n]),
            Act::CutAt(n) => match from.filter(|from| *from < content.len()) {
                Some(from) => {
                    let head = part(&tag, from, content.len(), content.len() - from);
                    send(out, &head, &content[from..n.max(from)])
                }
                None => send(out, &whole, &content[..n]),
            },
            Act::Stall(n) => {
                send(out, &whole, &content[..n])?;
                self.until_stopped(|| Ok(()))
            }
            Act::Trickle => {
                send(out, &whole, &[])?;
                let mut bytes = content.iter();
                self.until_stopped(|| bytes.next().map_or(Ok(()), |byte| out.write_all(&[*byte])))
            }
            Act::Loop => {
                send(out, "HTTP/1.1 302 Again\r\nLocation: /content\r\nContent-Length: 0", &[])
            }
            Act::Redirect(to) => send(
                out,
                &format!("HTTP/1.1 302 There\r\nLocation: {to}\r\nContent-Length: 0"),
                &[],
            ),
            Act::Status(code, headers) => {
                send(out, &format!("HTTP/1.1 {code} No\r\n{headers}Content-Length: 0"), &[])
            }
            Act::Endless(n) => {
                send(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", &[])?;
                let piece = vec![0; 64 << 10];
                (0..n.div_ceil(piece.len())).try_for_each(|_| send_chunk(out, &piece))
            }
            Act::Promise(len) => {
                send(out, &format!("HTTP/1.1 200 OK\r\nContent-Length: {len}"), &content)
            }
            Act::NoLength(n) => send(out, "HTTP/1.0 200 OK", &content[..n]),
            Act::Chunked => {
                send(
                    out,
                    &format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nTransfer-Encoding: chunked"),
                    &[],
                )?;
                content.chunks(1000).try_for_each(|piece| send_chunk(out, piece))?;
                out.write_all(b"0\r\n\r\n")
            }
            Act::Noise => out.write_all(b"SSH-2.0-OpenSSH_9.2\r\n"),
            Act::Slow(wait) => {
                send(out, &whole, &[])?;
                content.chunks(64 << 10).try_for_each(|piece| {
                    thread::sleep(wait);
                    out.write_all(piece)
                })
            }
            act => self.lie(&act, &Have { content: &content, tag: &tag, whole: &whole, from }, out),
        }?;
        out.shutdown(Shutdown::Write)
    }

    /// Performs the more subtle acts.
    fn lie(&self, act: &Act, have: &Have<'_>, out: &mut TcpStream) -> std::io::Result<()> {
        let Have { content, tag, whole, from } = *have;
        match *act {
            Act::Rate(rate) => {
                send(out, whole, &[])?;
                let begun = Instant::now();
                let mut sent = 0;
                content.chunks(16 << 10).try_for_each(|piece| {
                    sent += piece.len() as u64;
                    let due = Duration::from_micros(sent * 1_000_000 / rate);
                    thread::sleep(due.saturating_sub(begun.elapsed()));
                    out.write_all(piece)
                })
            }
            Act::SlowHead => {
                out.write_all(b"HTTP/1.1 200 OK\r\nX-")?;
                self.until_stopped(|| out.write_all(b"a"))
            }
            Act::EndlessHead => {
                out.write_all(b"HTTP/1.1 200 OK\r\n")?;
                let line = format!("X-Line: {}\r\n", "a".repeat(1000));
                (0..10_000).try_for_each(|_| out.write_all(line.as_bytes()))
            }
            Act::Continue => self.until_stopped(|| out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")),
            Act::Gzip => send(out, &format!("{whole}\r\nContent-Encoding: gzip"), content),
            Act::ShortRange(n) => {
                let (from, len) = (from.unwrap_or(0), content.len());
                let n = n.min(len.saturating_sub(from));
                send(out, &part(tag, from, len, n), &content[len.min(from)..len.min(from) + n])
            }
            Act::LongRange => {
                let (from, len) = (from.unwrap_or(0), content.len());
                let body = [&content[len.min(from)..], &[7; 1000]].concat();
                send(out, &part(tag, from, len, body.len()), &body)
            }
            Act::OtherTotal(end) => match from {
                Some(from) if from < end => {
                    send(out, &part(tag, from, end, end - from), &content[from..end])
                }
                _ => send(out, whole, content),
            },
            Act::TwoLengths => send(out, &format!("{whole}\r\nContent-Length: 10"), content),
            Act::ChunkedWithLength(len) => {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked";
                send(out, &format!("{head}\r\nContent-Length: {len}"), &[])?;
                content.chunks(100_000).try_for_each(|piece| send_chunk(out, piece))?;
                out.write_all(b"0\r\n\r\n")
            }
            Act::BadChunks => {
                send(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", b"zz\r\n")?;
                out.write_all(content)
            }
            _ => unreachable!("{act:?} is a plain act"),
        }
    }

    fn until_stopped(&self, mut act: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
        while !self.stop.load(Ordering::SeqCst) {
            act()?;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// The content, and the request for it.
struct Have<'h> {
    content: &'h [u8],
    tag: &'h str,
    /// The head of an answer with the whole content.
    whole: &'h str,
    from: Option<usize>,
}

/// Sends head and body of an answer.
pub(crate) fn send(out: &mut TcpStream, head: &str, body: &[u8]) -> std::io::Result<()> {
    write!(out, "{head}\r\nConnection: close\r\n\r\n")?;
    out.write_all(body)
}

/// Returns the head of a partial answer: `len` bytes, declared as the part of a content of `total`
/// bytes from `from` to its end.
fn part(tag: &str, from: usize, total: usize, len: usize) -> String {
    let last = total - 1;
    format!(
        "HTTP/1.1 206 Part\r\nETag: {tag}\r\nContent-Length: {len}\r\n\
         Content-Range: bytes {from}-{last}/{total}"
    )
}

fn send_chunk(out: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
    write!(out, "{:x}\r\n", piece.len())?;
    out.write_all(piece)?;
    out.write_all(b"\r\n")
}

/// Returns the head of the request, which is left unread.
pub(crate) fn peek_request(stream: &TcpStream) -> std::io::Result<String> {
    let mut buf = vec![0; 8192];
    for _ in 0..500 {
        let n = stream.peek(&mut buf)?;
        if let Some(end) = buf[..n].windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(String::from_utf8_lossy(&buf[..end + 4]).into_owned());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Err(std::io::ErrorKind::TimedOut.into())
}

/// Returns a header of the request.
pub(crate) fn header(request: &str, name: &str) -> Option<String> {
    request.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Returns the first requested byte, if the request has a range.
pub(crate) fn range_of(request: &str) -> Option<u64> {
    header(request, "range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}
