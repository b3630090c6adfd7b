//! The layout of the file in its armor.

use zeroize::Zeroizing;

use super::seal::Seal;
use super::{KeyFile, KeyFileError};
use crate::PublicKey;
use crate::public_key::ED25519;
use crate::wire::{Reader, put_string};

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The content of a key file, with sealed or unsealed secrets.
pub(super) struct Container {
    pub(super) seal: Seal,
    pub(super) public: PublicKey,
    pub(super) secrets: Zeroizing<Vec<u8>>,
}

impl Container {
    /// Parses the outer layout. The secrets are still sealed.
    pub(super) fn read(blob: &[u8]) -> Result<Self, KeyFileError> {
        let fields =
            blob.strip_prefix(MAGIC).ok_or(KeyFileError::Damaged("its header is missing"))?;
        let mut fields = Reader::new(fields);
        let (cipher, kdf, options) = (fields.string()?, fields.string()?, fields.string()?);
        if fields.u32()? != 1 {
            return Err(KeyFileError::Damaged("it does not contain exactly one key"));
        }
        let public = PublicKey::from_wire(fields.string()?)?;
        if public.is_on_security_key() {
            return Err(KeyFileError::OnSecurityKey(public.fingerprint()));
        }
        let seal = Seal::read(cipher, kdf, options)?;
        let secrets = Zeroizing::new(fields.string()?.to_vec());
        // An authenticating cipher would have its tag here.
        fields.end()?;
        if secrets.len() % seal.block() != 0 {
            return Err(KeyFileError::Damaged(
                "its secret part is not a multiple of the block size",
            ));
        }
        Ok(Self { seal, public, secrets })
    }

    /// Extracts the key from unsealed secrets.
    pub(super) fn open(self) -> Result<KeyFile, KeyFileError> {
        let mut fields = Reader::new(&self.secrets);
        if fields.u32()? != fields.u32()? {
            // The format has no other check for a wrong passphrase.
            return Err(if self.seal.needs_passphrase() {
                KeyFileError::WrongPassphrase
            } else {
                KeyFileError::Damaged("its two check values differ")
            });
        }
        if fields.string()? != ED25519.as_bytes() {
            return Err(KeyFileError::Damaged("its public and private parts have different types"));
        }
        let public = fields.string()?;
        let pair = fields.string()?;
        let comment = String::from_utf8_lossy(fields.string()?).into_owned();
        self.check_padding(fields.rest())?;

        let Some((seed, public_again)) = pair.split_first_chunk::<32>() else {
            return Err(KeyFileError::Damaged("its secret is too short"));
        };
        let secret = ed25519_dalek::SigningKey::from_bytes(seed);
        let derived = secret.verifying_key().to_bytes();
        // Signatures with a wrong public half would reveal the secret.
        if [public, public_again, self.public.as_bytes()].iter().any(|half| *half != derived) {
            return Err(KeyFileError::Damaged("its public key does not match its private key"));
        }
        Ok(KeyFile { secret, public: self.public, comment })
    }

    /// Creates the content for a key. The secrets are not sealed yet.
    pub(super) fn pack(key: &KeyFile, seal: Seal) -> Result<Self, KeyFileError> {
        let mut check = [0; 4];
        getrandom::fill(&mut check).map_err(KeyFileError::Random)?;
        let pair = Zeroizing::new(key.secret.to_keypair_bytes());

        // Reserve enough memory, so that growing leaves no copy of the secret behind.
        let mut secrets = Zeroizing::new(Vec::with_capacity(256 + key.comment.len()));
        secrets.extend_from_slice(&check);
        secrets.extend_from_slice(&check);
        put_string(&mut secrets, ED25519.as_bytes());
        put_string(&mut secrets, key.public.as_bytes());
        put_string(&mut secrets, &*pair);
        put_string(&mut secrets, key.comment.as_bytes());
        let missing = secrets.len().next_multiple_of(seal.block()) - secrets.len();
        secrets.extend((1_u8..).take(missing));
        Ok(Self { seal, public: key.public, secrets })
    }

    /// Returns the outer layout.
    pub(super) fn write(&self) -> Zeroizing<Vec<u8>> {
        let mut blob = Zeroizing::new(Vec::with_capacity(512 + self.secrets.len()));
        blob.extend_from_slice(MAGIC);
        let (cipher, kdf, options) = self.seal.write();
        put_string(&mut blob, cipher);
        put_string(&mut blob, kdf);
        put_string(&mut blob, &options);
        blob.extend_from_slice(&1_u32.to_be_bytes());
        put_string(&mut blob, &self.public.to_wire());
        put_string(&mut blob, &self.secrets);
        blob
    }

    /// Checks the padding: 1, 2, 3, … up to the end of the cipher's block.
    fn check_padding(&self, padding: &[u8]) -> Result<(), KeyFileError> {
        let counts = padding.iter().zip(1_u8..).all(|(&byte, count)| byte == count);
        if counts && padding.len() < self.seal.block() {
            Ok(())
        } else {
            Err(KeyFileError::Damaged("its padding is wrong"))
        }
    }
}
