use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::signature::Proof;
use crate::wire::{Malformed, Reader, put_string};
use crate::{
    Fingerprint, MessageDigest, PublicKey, Role, SignError, Signature, SignatureError, Signer,
};

/// A running ssh-agent.
///
/// It signs without revealing its keys, and can ask its user each time (the protocol is
/// `draft-ietf-sshm-ssh-agent`). Every request uses its own connection.
#[derive(Debug, Clone)]
pub struct Agent {
    socket: PathBuf,
}

/// An Ed25519 key in an ssh-agent, which may itself use a security key.
#[derive(Debug, Clone)]
pub struct AgentKey {
    agent: Agent,
    public: PublicKey,
    comment: String,
}

/// An ssh-agent did not answer a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// No agent listens at the socket.
    #[error("no ssh-agent at `{}`; start one with `ssh-agent`, or pass a key file", .0.to_string_lossy().escape_debug())]
    NoAgent(PathBuf, #[source] io::Error),
    /// The connection was lost, or the agent did not answer in time.
    #[error("the connection to the ssh-agent was lost")]
    Io(#[from] io::Error),
    /// It does not have the key.
    #[error("the key {0} is not in the ssh-agent; add it with `ssh-add FILE`")]
    NoSuchKey(Fingerprint),
    /// It refused: it is locked, its user declined, or a security key is missing or was not touched.
    #[error(
        "the ssh-agent refused: it is locked, its user declined, or its security key is missing or was not touched in time"
    )]
    Refused,
    /// It sent a message that is too long.
    #[error("the ssh-agent sent a message of {0} bytes; the limit is {MAX_MESSAGE}")]
    TooLong(usize),
    /// It sent a message of another type.
    #[error("the ssh-agent sent an unexpected message of type {0}")]
    Unexpected(u8),
    /// A message has the wrong length.
    #[error("a message of the ssh-agent {0}")]
    Malformed(Malformed),
    /// It sent an invalid signature.
    #[error("the ssh-agent sent an invalid signature")]
    Signature(#[from] SignatureError),
}

impl From<Malformed> for AgentError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Agent {
    /// Connects to the agent at `socket`, the value of `SSH_AUTH_SOCK`.
    ///
    /// # Errors
    ///
    /// If no agent listens there.
    pub fn connect(socket: impl AsRef<Path>) -> Result<Self, AgentError> {
        let agent = Self { socket: socket.as_ref().to_owned() };
        agent.open()?;
        Ok(agent)
    }

    /// Returns its Ed25519 keys, without other keys and certificates.
    pub fn keys(&self) -> Result<Vec<AgentKey>, AgentError> {
        let answer = self.ask(REQUEST_IDENTITIES, &[], IDENTITIES_ANSWER)?;
        let mut fields = Reader::new(&answer);
        let mut keys = Vec::new();
        for _ in 0..fields.u32()? {
            let (key, comment) = (fields.string()?, fields.string()?);
            if let Ok(public) = PublicKey::from_wire(key) {
                let comment = String::from_utf8_lossy(comment).into_owned();
                keys.push(AgentKey { agent: self.clone(), public, comment });
            }
        }
        fields.end()?;
        Ok(keys)
    }

    /// Returns the key with this public key.
    pub fn signer(&self, public: &PublicKey) -> Result<AgentKey, AgentError> {
        let key = self.keys()?.into_iter().find(|key| key.public == *public);
        key.ok_or_else(|| AgentError::NoSuchKey(public.fingerprint()))
    }

    fn open(&self) -> Result<UnixStream, AgentError> {
        let stream = UnixStream::connect(&self.socket)
            .map_err(|error| AgentError::NoAgent(self.socket.clone(), error))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends a message of type `request` and returns the answer, which must be of type `expected`.
    fn ask(&self, request: u8, body: &[u8], expected: u8) -> Result<Vec<u8>, AgentError> {
        let mut message = Vec::with_capacity(5 + body.len());
        let mut content = vec![request];
        content.extend_from_slice(body);
        put_string(&mut message, &content);

        let mut stream = self.open()?;
        stream.write_all(&message)?;
        let mut len = [0; 4];
        stream.read_exact(&mut len)?;
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > MAX_MESSAGE {
            return Err(AgentError::TooLong(len));
        }
        let mut answer = vec![0; len];
        stream.read_exact(&mut answer)?;
        match answer.first() {
            Some(&kind) if kind == expected => Ok(answer.split_off(1)),
            Some(&FAILURE) => Err(AgentError::Refused),
            Some(&kind) => Err(AgentError::Unexpected(kind)),
            None => Err(Malformed::Truncated.into()),
        }
    }
}

impl AgentKey {
    /// Returns the comment of the key. It can contain control characters.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    fn sign_bytes(&self, bytes: &[u8]) -> Result<Proof, AgentError> {
        let mut body = Vec::new();
        put_string(&mut body, &self.public.to_wire());
        put_string(&mut body, bytes);
        body.extend_from_slice(&NO_FLAGS.to_be_bytes());

        let answer = self.agent.ask(SIGN_REQUEST, &body, SIGN_RESPONSE)?;
        let mut fields = Reader::new(&answer);
        let signature = fields.string()?;
        fields.end()?;
        Ok(Proof::from_wire(signature, &self.public)?)
    }
}

impl Signer for AgentKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign_digest(&self, role: Role, message: &MessageDigest) -> Result<Signature, SignError> {
        Signature::make(self.public, role, message, |bytes| Ok(self.sign_bytes(bytes)?))
    }
}

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const NO_FLAGS: u32 = 0;

/// The longest message of an agent that OpenSSH's own programs accept.
const MAX_MESSAGE: usize = 256 * 1024;

/// Enough time for the user to answer the agent's prompt.
const PATIENCE: Duration = Duration::from_mins(5);
