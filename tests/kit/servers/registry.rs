//! A container registry on loopback with synthetic images and configurable misbehavior.

#![allow(dead_code, reason = "each test that includes this file needs another part of it")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use vgpu_manifest::Digest;

use super::liar::{header, peek_request, range_of, send};
use super::loopback::Loopback;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// The behavior at one address.
#[derive(Debug, Clone)]
pub(crate) enum Lie {
    /// Serve the request correctly.
    None,
    /// Announce the full length, send this many bytes.
    Truncate(usize),
    /// Redirect the client to this address.
    Redirect(String),
    /// Serve another content under the same name.
    Other(Vec<u8>),
    /// Answer with this status.
    Status(u16),
    /// Wait this long before each 64 KiB.
    Slow(Duration),
    /// Serve the request correctly, but truncated the first time.
    TruncateOnce(usize),
}

/// The access control.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    /// Every client has access.
    Open,
    /// A token is required, and available to every client. Each is valid for this many requests.
    Token(usize),
    /// A token is required, and available with this user and password.
    TokenFor(&'static str),
    /// This user and password are required.
    Basic(&'static str),
    /// Access is always denied, although tokens are available.
    Shut,
    /// Access requires following this challenge.
    Challenge(String),
}

/// A received request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) accept: Option<String>,
    pub(crate) from: Option<u64>,
}

/// A container registry on loopback.
#[derive(Debug)]
pub(crate) struct FakeRegistry {
    server: Loopback,
    shared: Arc<Shared>,
}

#[derive(Debug, Clone)]
struct Content {
    media_type: String,
    bytes: Vec<u8>,
    lie: Lie,
}

#[derive(Debug)]
struct Shared {
    door: Door,
    contents: Mutex<BTreeMap<String, Content>>,
    asked: Mutex<Vec<Asked>>,
    tokens: AtomicUsize,
    uses: AtomicUsize,
}

impl FakeRegistry {
    pub(crate) fn new(door: Door) -> Self {
        let shared = Arc::new(Shared {
            door,
            contents: Mutex::default(),
            asked: Mutex::default(),
            tokens: AtomicUsize::new(0),
            uses: AtomicUsize::new(0),
        });
        let ours = Arc::clone(&shared);
        let server = Loopback::start(move |stream| ours.answer(stream));
        Self { server, shared }
    }

    /// Returns its host name, as in image references.
    pub(crate) fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// Serves `bytes` at `path`, below `/v2/`.
    pub(crate) fn serve(&self, path: &str, media_type: &str, bytes: &[u8], lie: Lie) {
        let (media_type, bytes) = (media_type.to_owned(), bytes.to_vec());
        let content = Content { media_type, bytes, lie };
        self.shared.contents.lock().unwrap().insert(format!("/v2/{path}"), content);
    }

    /// Serves an image by its tag and by its digest, with all its blobs.
    pub(crate) fn image(&self, name: &str, tag: &str, image: &Image) {
        let manifest = image.manifest();
        for reference in [tag, &digest(&manifest)] {
            let path = format!("{name}/manifests/{reference}");
            self.serve(&path, image.manifest_type, &manifest, Lie::None);
        }
        for blob in image.layers.iter().map(|(_, bytes)| bytes).chain([&image.config]) {
            let path = format!("{name}/blobs/{}", digest(blob));
            self.serve(&path, "application/octet-stream", blob, Lie::None);
        }
    }

    /// Changes the behavior at this path.
    pub(crate) fn lie(&self, path: &str, lie: Lie) {
        let mut contents = self.shared.contents.lock().unwrap();
        contents.get_mut(&format!("/v2/{path}")).unwrap().lie = lie;
    }

    /// Returns the requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Returns the requested paths with this suffix.
    pub(crate) fn times(&self, end: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path.ends_with(end)).count()
    }

    /// Returns the number of issued tokens.
    pub(crate) fn tokens(&self) -> usize {
        self.shared.tokens.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let request = peek_request(&stream)?;
        stream.read_exact(&mut vec![0; request.len()])?;
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let authorization = header(&request, "authorization");
        let from = range_of(&request);
        self.asked.lock().unwrap().push(Asked {
            path: path.clone(),
            authorization: authorization.clone(),
            accept: header(&request, "accept"),
            from,
        });
        let out = &mut stream;
        if path.starts_with("/token?") {
            self.give_token(out, authorization.as_deref())?;
        } else if let Err(challenge) = self.let_in(out.local_addr()?, authorization.as_deref()) {
            let head = format!(
                "HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 2\r\n\
                 Content-Type: application/json"
            );
            send(out, &head, b"{}")?;
        } else {
            self.serve(out, &path, from)?;
        }
        out.shutdown(Shutdown::Write)
    }

    fn give_token(&self, out: &mut TcpStream, authorization: Option<&str>) -> std::io::Result<()> {
        if let Door::TokenFor(who) = self.door
            && authorization != Some(&*basic(who))
        {
            return send(out, "HTTP/1.1 401 No\r\nContent-Length: 0", b"");
        }
        let count = self.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        self.uses.store(0, Ordering::SeqCst);
        let body = format!("{{\"token\":\"token{count}\",\"expires_in\":60}}");
        send(out, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}", body.len()), body.as_bytes())
    }

    /// Checks access; an error is the answer to send instead.
    fn let_in(&self, address: SocketAddr, authorization: Option<&str>) -> Result<(), String> {
        let challenge = format!(
            "Bearer realm=\"http://{address}/token\",service=\"the registry\",scope=\"registry:all:*\""
        );
        let current = format!("Bearer token{}", self.tokens.load(Ordering::SeqCst));
        let has_token = authorization == Some(&*current);
        let is_in = match &self.door {
            Door::Open => true,
            Door::Token(uses) => has_token && self.uses.fetch_add(1, Ordering::SeqCst) < *uses,
            Door::TokenFor(_) => has_token,
            Door::Basic(who) if authorization == Some(&*basic(who)) => true,
            Door::Basic(_) => return Err("Basic realm=\"registry\"".to_owned()),
            Door::Shut => false,
            Door::Challenge(challenge) => return Err(challenge.clone()),
        };
        if is_in { Ok(()) } else { Err(challenge) }
    }

    fn serve(&self, out: &mut TcpStream, path: &str, from: Option<u64>) -> std::io::Result<()> {
        let found = {
            let mut contents = self.contents.lock().unwrap();
            let found = contents.get(path).cloned();
            if let Some(Content { lie: lie @ Lie::TruncateOnce(_), .. }) = contents.get_mut(path) {
                *lie = Lie::None;
            }
            found
        };
        let Some(Content { media_type, bytes, lie }) = found else {
            return send(out, "HTTP/1.1 404 No\r\nContent-Length: 0", b"");
        };
        let len = bytes.len();
        let head = |len: usize| {
            format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len}")
        };
        let from = from.and_then(|from| usize::try_from(from).ok()).filter(|from| *from < len);
        match lie {
            Lie::None => match from {
                Some(from) => {
                    let head = format!(
                        "HTTP/1.1 206 Part\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\
                         Content-Range: bytes {from}-{}/{len}",
                        len - from,
                        len - 1,
                    );
                    send(out, &head, &bytes[from..])
                }
                None => send(out, &head(len), &bytes),
            },
            Lie::Truncate(n) | Lie::TruncateOnce(n) => send(out, &head(len), &bytes[..n]),
            Lie::Redirect(to) => send(
                out,
                &format!("HTTP/1.1 307 There\r\nLocation: {to}\r\nContent-Length: 0"),
                b"",
            ),
            Lie::Other(other) => send(out, &head(other.len()), &other),
            Lie::Status(code) => {
                send(out, &format!("HTTP/1.1 {code} No\r\nContent-Length: 0"), b"")
            }
            Lie::Slow(wait) => {
                send(out, &head(len), b"")?;
                bytes.chunks(64 << 10).try_for_each(|piece| {
                    thread::sleep(wait);
                    std::io::Write::write_all(out, piece)
                })
            }
        }
    }
}

fn basic(who: &str) -> String {
    use base64ct::{Base64, Encoding as _};
    format!("Basic {}", Base64::encode_string(who.as_bytes()))
}

/// Returns the digest of some bytes, in the form of registries.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

/// A synthetic image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) manifest_type: &'static str,
    pub(crate) config_type: String,
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<(String, Vec<u8>)>,
    /// Additional fields of the manifest, each followed by a comma.
    pub(crate) more: String,
}

impl Image {
    /// Returns an image in OCI's form. Its layers cannot be unpacked.
    pub(crate) fn oci(layers: &[&[u8]]) -> Self {
        let layers = layers.iter().map(|bytes| (OCI_LAYER.to_owned(), bytes.to_vec()));
        Self {
            manifest_type: OCI_MANIFEST,
            config_type: OCI_CONFIG.to_owned(),
            config: Vec::new(),
            layers: layers.collect(),
            more: String::new(),
        }
        .on("linux", "amd64")
    }

    /// Returns the same image in Docker's form.
    pub(crate) fn docker(layers: &[&[u8]]) -> Self {
        let oci = Self::oci(layers);
        let layers = oci.layers.into_iter().map(|(_, bytes)| (DOCKER_LAYER.to_owned(), bytes));
        let layers = layers.collect();
        let (manifest_type, config_type) = (DOCKER_MANIFEST, DOCKER_CONFIG.to_owned());
        Self { manifest_type, config_type, layers, ..oci }
    }

    /// Returns the same image for another CPU architecture.
    pub(crate) fn on(mut self, os: &str, architecture: &str) -> Self {
        let ids: Vec<String> =
            self.layers.iter().map(|(_, bytes)| format!("\"{}\"", digest(bytes))).collect();
        self.config = format!(
            "{{\"os\":\"{os}\",\"architecture\":\"{architecture}\",\"config\":{{}},\
             \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{}]}}}}",
            ids.join(",")
        )
        .into_bytes();
        self
    }

    /// Returns the bytes of its manifest.
    pub(crate) fn manifest(&self) -> Vec<u8> {
        let mut layers = String::new();
        for (at, (media_type, bytes)) in self.layers.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(layers, "{comma}{}", descriptor(media_type, bytes)).unwrap();
        }
        format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{}\",{}\"config\":{},\"layers\":[{layers}]}}",
            self.manifest_type,
            self.more,
            descriptor(&self.config_type, &self.config),
        )
        .into_bytes()
    }
}

/// Returns a descriptor of some bytes.
pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> String {
    let (digest, size) = (digest(bytes), bytes.len());
    format!("{{\"mediaType\":\"{media_type}\",\"digest\":\"{digest}\",\"size\":{size}}}")
}

/// Returns an index of these: platform, media type and bytes of a manifest.
pub(crate) fn index(entries: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let entries: Vec<String> = entries
        .iter()
        .map(|(platform, media_type, bytes)| {
            let (os, architecture) = platform.split_once('/').unwrap();
            let plain = descriptor(media_type, bytes);
            let plain = plain.strip_suffix('}').unwrap();
            format!(
                "{plain},\"platform\":{{\"os\":\"{os}\",\"architecture\":\"{architecture}\"}}}}"
            )
        })
        .collect();
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[{}]}}",
        entries.join(",")
    )
    .into_bytes()
}
