mod container;
mod seal;

use std::{fmt, io};

use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use self::container::Container;
use self::seal::Seal;
use crate::armor::{self, ArmorError, Label};
use crate::signature::Proof;
use crate::wire::Malformed;
use crate::{Fingerprint, KeyError, MessageDigest, PublicKey, Role, SignError, Signature, Signer};

/// A private key in OpenSSH's file format (`PROTOCOL.key`), with or without a passphrase.
///
/// The secret is wiped from memory on drop, and never printed.
pub struct KeyFile {
    secret: SigningKey,
    public: PublicKey,
    comment: String,
}

/// A private key cannot be read, created or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It is a public key.
    #[error("this is a public key; pass the file of the private key, or use the ssh-agent")]
    PublicHalf,
    /// It is a private key in another format.
    #[error(
        "this private key is not in OpenSSH's own format; rewrite it with `ssh-keygen -p -f FILE`"
    )]
    OtherFormat,
    /// It has no armor.
    #[error("not an OpenSSH private key")]
    Armor(#[from] ArmorError),
    /// The binary form has the wrong length.
    #[error("the private key {0}")]
    Malformed(Malformed),
    /// It is a key of another type.
    #[error("the private key is not accepted")]
    Key(#[from] KeyError),
    /// The private key is on a security key, and the file only says which one.
    #[error(
        "the private key is on a security key, which only an ssh-agent can use; run `ssh-add FILE`, and sign with `--agent {0}`"
    )]
    OnSecurityKey(Fingerprint),
    /// It is encrypted with another cipher than the default of `ssh-keygen`.
    #[error(
        "the private key is encrypted with `{0}`, and only aes256-ctr with bcrypt is supported; rewrite it with `ssh-keygen -p -Z aes256-ctr -f FILE`"
    )]
    Cipher(String),
    /// Checking a passphrase would take too long.
    #[error("the private key uses {0} rounds of bcrypt; the limit is {max}; rewrite it with `ssh-keygen -p -a 24 -f FILE`", max = seal::MAX_ROUNDS)]
    Rounds(u32),
    /// The passphrase prompt failed.
    #[error("no passphrase for the private key")]
    NoPassphrase(#[source] io::Error),
    /// The passphrase is wrong.
    #[error("wrong passphrase for the private key")]
    WrongPassphrase,
    /// The passphrase is empty, which protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The file contradicts itself.
    #[error("the private key is damaged: {0}")]
    Damaged(&'static str),
    /// The comment is not a line of text.
    #[error("the comment of a key must be at most {MAX_COMMENT} bytes without control characters")]
    Comment,
    /// The kernel provides no random numbers.
    #[error("no random numbers from the operating system")]
    Random(#[source] getrandom::Error),
}

impl From<Malformed> for KeyFileError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl KeyFile {
    /// Generates a key. Its two files contain `comment`, such as `alice@laptop`.
    pub fn generate(comment: &str) -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(KeyFileError::Random)?;
        Self::from_seed(&seed, comment)
    }

    /// Returns the key with this seed, which is the complete secret (RFC 8032).
    pub fn from_seed(seed: &[u8; 32], comment: &str) -> Result<Self, KeyFileError> {
        if comment.len() > MAX_COMMENT || comment.chars().any(char::is_control) {
            return Err(KeyFileError::Comment);
        }
        let secret = SigningKey::from_bytes(seed);
        let public = PublicKey::from_bytes(secret.verifying_key().to_bytes())?;
        Ok(Self { secret, public, comment: comment.to_owned() })
    }

    /// Parses the file of a private key.
    ///
    /// `passphrase` is called once, and only if the key is encrypted.
    pub fn parse(
        pem: &[u8],
        passphrase: &mut dyn FnMut() -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, KeyFileError> {
        if pem.starts_with(b"ssh-") || pem.starts_with(b"ecdsa-") || pem.starts_with(b"sk-") {
            return Err(KeyFileError::PublicHalf);
        }
        let blob = armor::decode(LABEL, pem).map_err(|error| match error {
            ArmorError::Begin(_) if pem.starts_with(b"-----BEGIN ") => KeyFileError::OtherFormat,
            error => error.into(),
        })?;
        let mut container = Container::read(&blob)?;
        if container.seal.needs_passphrase() {
            let passphrase = passphrase().map_err(KeyFileError::NoPassphrase)?;
            container.seal.apply(&passphrase, &mut container.secrets)?;
        }
        container.open()
    }

    /// Returns the text of the private key's file, encrypted if there is a passphrase.
    ///
    /// An encrypted text differs each time.
    pub fn to_openssh(&self, passphrase: Option<&str>) -> Result<Zeroizing<String>, KeyFileError> {
        let seal = if passphrase.is_some() { Seal::random()? } else { Seal::None };
        let mut container = Container::pack(self, seal)?;
        if let Some(passphrase) = passphrase {
            container.seal.apply(passphrase, &mut container.secrets)?;
        }
        Ok(armor::encode(LABEL, &container.write()))
    }

    /// Returns the line of the public key's file: the key and the comment, with a newline.
    #[must_use]
    pub fn public_line(&self) -> String {
        let line = format!("{} {}", self.public, show_comment(&self.comment));
        format!("{}\n", line.trim_end())
    }

    /// Returns the comment of the key. It can contain control characters.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }
}

impl Signer for KeyFile {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign_digest(&self, role: Role, message: &MessageDigest) -> Result<Signature, SignError> {
        Signature::make(self.public, role, message, |bytes| {
            Ok(Proof { bytes: self.secret.sign(bytes).to_bytes(), assertion: None })
        })
    }
}

impl fmt::Debug for KeyFile {
    /// Prints the public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("public", &self.public)
            .field("comment", &self.comment)
            .finish_non_exhaustive()
    }
}

const LABEL: Label = Label("OPENSSH PRIVATE KEY");

/// The longest comment, in bytes.
const MAX_COMMENT: usize = 255;

/// Returns a comment on one line.
fn show_comment(comment: &str) -> String {
    comment.chars().filter(|character| !character.is_control()).collect()
}
