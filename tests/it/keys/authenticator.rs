//! A FIDO2 security key in code, behind an ssh-agent of its own.
//!
//! It makes the signatures of `PROTOCOL.u2f` without any code of the product, so that OpenSSH and the
//! product can be compared on them.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use tempfile::TempDir;
use vgpu_keys::PublicKey;
use vgpu_manifest::Digest;

use crate::keys::support::string;

pub(crate) const SK: &str = "sk-ssh-ed25519@openssh.com";

/// A security key: its secret, and what it says with each signature.
#[derive(Clone)]
pub(crate) struct SecurityKey {
    pub(crate) secret: SigningKey,
    pub(crate) application: Vec<u8>,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
}

impl SecurityKey {
    /// Returns a security key that was touched.
    pub(crate) fn new(seed: u8) -> Self {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        Self { secret, application: b"ssh:".to_vec(), flags: 1, counter: 7 }
    }

    pub(crate) fn wire(&self) -> Vec<u8> {
        let point = self.secret.verifying_key().to_bytes();
        [string(SK.as_bytes()), string(&point), string(&self.application)].concat()
    }

    /// Returns the line of its `.pub` file.
    pub(crate) fn line(&self) -> String {
        format!("{SK} {} alice@token", Base64::encode_string(&self.wire()))
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.line().parse().unwrap()
    }

    /// Signs as the authenticator does: digest of the application, flags, counter, digest of the
    /// message.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let application = sha256(&self.application);
        let counter = self.counter.to_be_bytes();
        let data = [&application[..], &[self.flags], &counter, &sha256(message)].concat();
        self.frame(&self.secret.sign(&data).to_bytes())
    }

    /// Signs as a key in a file does, and frames it as a security key does.
    pub(crate) fn sign_plainly(&self, message: &[u8]) -> Vec<u8> {
        self.frame(&self.secret.sign(message).to_bytes())
    }

    fn frame(&self, signature: &[u8]) -> Vec<u8> {
        let frame = [string(SK.as_bytes()), string(signature)].concat();
        [&frame[..], &[self.flags], &self.counter.to_be_bytes()].concat()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hex = Digest::of(bytes).to_string();
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

/// An ssh-agent with one security key.
pub(crate) struct TokenAgent {
    _folder: TempDir,
    socket: PathBuf,
}

impl TokenAgent {
    pub(crate) fn start(key: SecurityKey) -> Self {
        Self::answering(key, SecurityKey::sign)
    }

    /// Starts an agent that answers requests for a signature with `sign`. Like a real security key,
    /// it counts.
    pub(crate) fn answering(
        mut key: SecurityKey,
        sign: fn(&SecurityKey, &[u8]) -> Vec<u8>,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                while let Some(request) = receive(&mut stream) {
                    let answer = match request.first() {
                        Some(11) => {
                            let one = 1_u32.to_be_bytes();
                            [&[12][..], &one, &string(&key.wire()), &string(b"token")].concat()
                        }
                        Some(13) => {
                            let (of, rest) = field(&request[1..]);
                            assert_eq!(of, key.wire());
                            let answer = [vec![14], string(&sign(&key, field(rest).0))].concat();
                            key.counter = key.counter.wrapping_add(1);
                            answer
                        }
                        _ => vec![5],
                    };
                    if stream.write_all(&string(&answer)).is_err() {
                        break;
                    }
                }
            }
        });
        Self { _folder: folder, socket }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

fn receive(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let mut message = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

fn field(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = bytes.split_first_chunk::<4>().unwrap();
    rest.split_at(u32::from_be_bytes(*len) as usize)
}
