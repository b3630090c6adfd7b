//! The encryption of the secrets in a key file.

use aes::Aes256;
use aes::cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr128BE;
use zeroize::Zeroizing;

use super::KeyFileError;
use crate::wire::{Reader, put_string, show};

/// The largest number of rounds. A round takes a few milliseconds, so a hostile file causes a delay of
/// seconds at most.
pub(super) const MAX_ROUNDS: u32 = 1024;

/// The default of `ssh-keygen` since OpenSSH 9.4.
const ROUNDS: u32 = 24;
const SALT_LEN: usize = 16;

const AES_256_CTR: &[u8] = b"aes256-ctr";
const BCRYPT: &[u8] = b"bcrypt";
const NONE: &[u8] = b"none";

/// The lengths of the key and of the first counter block of AES-256 in counter mode.
const KEY_LEN: usize = 32;
const IV_LEN: usize = 16;

/// The encryption of the secrets in a key file.
pub(super) enum Seal {
    /// No encryption.
    None,
    /// AES-256 in counter mode, with a key that bcrypt derives from a passphrase.
    Passphrase { salt: Vec<u8>, rounds: u32 },
}

impl Seal {
    /// Returns a new seal for a passphrase.
    pub(super) fn random() -> Result<Self, KeyFileError> {
        let mut salt = vec![0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(KeyFileError::Random)?;
        Ok(Self::Passphrase { salt, rounds: ROUNDS })
    }

    pub(super) fn read(cipher: &[u8], kdf: &[u8], options: &[u8]) -> Result<Self, KeyFileError> {
        if (cipher, kdf, options) == (NONE, NONE, b"") {
            return Ok(Self::None);
        }
        if cipher != AES_256_CTR {
            return Err(KeyFileError::Cipher(show(cipher)));
        }
        if kdf != BCRYPT {
            return Err(KeyFileError::Cipher(show(kdf)));
        }
        let mut fields = Reader::new(options);
        let salt = fields.string()?.to_vec();
        let rounds = fields.u32()?;
        fields.end()?;
        if salt.is_empty() || rounds == 0 {
            return Err(KeyFileError::Damaged("its salt or its number of rounds is missing"));
        }
        if rounds > MAX_ROUNDS {
            return Err(KeyFileError::Rounds(rounds));
        }
        Ok(Self::Passphrase { salt, rounds })
    }

    /// Returns the names of cipher and key derivation, and the options of the latter.
    pub(super) fn write(&self) -> (&'static [u8], &'static [u8], Vec<u8>) {
        match self {
            Self::None => (NONE, NONE, Vec::new()),
            Self::Passphrase { salt, rounds } => {
                let mut options = Vec::new();
                put_string(&mut options, salt);
                options.extend_from_slice(&rounds.to_be_bytes());
                (AES_256_CTR, BCRYPT, options)
            }
        }
    }

    pub(super) fn needs_passphrase(&self) -> bool {
        matches!(self, Self::Passphrase { .. })
    }

    /// Returns the block size, in bytes: secrets are padded to a multiple of it.
    pub(super) fn block(&self) -> usize {
        match self {
            Self::None => 8,
            Self::Passphrase { .. } => 16,
        }
    }

    /// Encrypts or decrypts `secrets`, which is the same operation in counter mode.
    pub(super) fn apply(&self, passphrase: &str, secrets: &mut [u8]) -> Result<(), KeyFileError> {
        let Self::Passphrase { salt, rounds } = self else { return Ok(()) };
        if passphrase.is_empty() {
            return Err(KeyFileError::EmptyPassphrase);
        }
        let mut derived = Zeroizing::new([0; KEY_LEN + IV_LEN]);
        bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, *rounds, &mut *derived)
            .map_err(|_| KeyFileError::Damaged("its salt or its number of rounds is invalid"))?;
        let (key, iv) = derived.split_at(KEY_LEN);
        Ctr128BE::<Aes256>::new_from_slices(key, iv)
            .map_err(|_| KeyFileError::Damaged("its cipher parameters are invalid"))?
            .apply_keystream(secrets);
        Ok(())
    }
}
