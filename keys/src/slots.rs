use crate::{Fingerprint, Signature, SignatureError};

/// The length of a slot, in bytes.
pub const SLOT_LEN: usize = 512;

/// The number of slots.
pub const SLOT_COUNT: usize = 8;

/// The length of the member `SIGNATURES` of a bundle.
pub const SLOTS_LEN: usize = SLOT_LEN * SLOT_COUNT;

/// The padding of an empty slot, and of the rest of a used one.
const PADDING: u8 = b'\n';

/// The member `SIGNATURES` of a bundle: eight slots, each empty or with one armored signature.
///
/// Slot `i` is [`SLOT_LEN`] bytes at offset `i * SLOT_LEN`, so adding a signature to a bundle is
/// one small write, and `dd bs=512 skip=i count=1` extracts it for `ssh-keygen`. Slots can be used in
/// any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots([Option<Signature>; SLOT_COUNT]);

/// A slot cannot be parsed or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotsError {
    /// A slot is neither empty nor a signature with the right padding.
    #[error("slot {slot} is neither empty nor one signature and newlines")]
    Slot {
        /// The slot, from 0.
        slot: usize,
        /// The fault.
        source: SignatureError,
    },
    /// Every slot is used.
    #[error("all {SLOT_COUNT} signature slots are used")]
    Full,
    /// The key has already signed.
    #[error("the key {key} has already signed, in slot {slot}")]
    AlreadySigned {
        /// The key.
        key: Fingerprint,
        /// Its slot, from 0.
        slot: usize,
    },
}

impl Slots {
    /// Parses the member without verifying the signatures.
    ///
    /// Every slot must be byte for byte as [`Slots::to_bytes`] writes it.
    pub fn parse(bytes: &[u8; SLOTS_LEN]) -> Result<Self, SlotsError> {
        let mut slots = Self::default();
        for (slot, bytes) in bytes.chunks_exact(SLOT_LEN).enumerate() {
            slots.0[slot] =
                parse_slot(bytes).map_err(|source| SlotsError::Slot { slot, source })?;
        }
        Ok(slots)
    }

    /// Returns the bytes of the member.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SLOTS_LEN] {
        let mut bytes = [PADDING; SLOTS_LEN];
        for (slot, signature) in self.iter() {
            let at = slot * SLOT_LEN;
            bytes[at..at + SLOT_LEN].copy_from_slice(&Self::slot_bytes(signature));
        }
        bytes
    }

    /// Returns the bytes of a slot with `signature`.
    #[must_use]
    pub fn slot_bytes(signature: &Signature) -> [u8; SLOT_LEN] {
        let armor = signature.to_armor();
        let mut bytes = [PADDING; SLOT_LEN];
        bytes[..armor.len()].copy_from_slice(armor.as_bytes());
        bytes
    }

    /// Returns the signatures, each with the number of its slot, from 0.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Signature)> {
        self.0.iter().enumerate().filter_map(|(slot, signature)| Some((slot, signature.as_ref()?)))
    }

    /// Returns the signatures, in the order of their slots.
    #[must_use]
    pub fn signatures(&self) -> Vec<Signature> {
        self.iter().map(|(_, signature)| signature.clone()).collect()
    }

    /// Returns the first empty slot, from 0.
    #[must_use]
    pub fn first_empty(&self) -> Option<usize> {
        self.0.iter().position(Option::is_none)
    }

    /// Adds `signature` to the first empty slot and returns its number.
    pub fn add(&mut self, signature: Signature) -> Result<usize, SlotsError> {
        if let Some((slot, _)) = self.iter().find(|(_, other)| other.key() == signature.key()) {
            return Err(SlotsError::AlreadySigned { key: signature.key().fingerprint(), slot });
        }
        let slot = self.first_empty().ok_or(SlotsError::Full)?;
        self.0[slot] = Some(signature);
        Ok(slot)
    }
}

fn parse_slot(bytes: &[u8]) -> Result<Option<Signature>, SignatureError> {
    let Some(last) = bytes.iter().rposition(|&byte| byte != PADDING) else { return Ok(None) };
    // The armor ends in a newline of its own, which looks like the padding that follows it.
    let armor = bytes.get(..last + 2).ok_or(SignatureError::NotCanonical)?;
    Signature::from_armor(armor).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyFile, Role, Signer};

    fn signature(seed: u8) -> Signature {
        let key = KeyFile::from_seed(&[seed; 32], "").unwrap();
        key.sign(Role::Bundle, b"sums").unwrap()
    }

    #[test]
    fn the_signature_for_every_role_fits_a_slot_with_room_for_its_last_newline() {
        let key = KeyFile::from_seed(&[1; 32], "").unwrap();
        for role in Role::ALL {
            let armor = key.sign(role, b"").unwrap().to_armor();
            assert!(armor.len() < SLOT_LEN, "{role}: {}", armor.len());
            assert_eq!(
                &Slots::slot_bytes(&key.sign(role, b"").unwrap())[..armor.len()],
                armor.as_bytes()
            );
        }
    }

    #[test]
    fn slots_are_filled_in_order_and_read_back() {
        let mut slots = Slots::default();
        assert_eq!(slots.to_bytes(), [b'\n'; SLOTS_LEN]);
        for slot in 0..SLOT_COUNT {
            assert_eq!(slots.first_empty(), Some(slot));
            assert_eq!(slots.add(signature(u8::try_from(slot).unwrap())), Ok(slot));
            assert_eq!(Slots::parse(&slots.to_bytes()).as_ref(), Ok(&slots));
        }
        assert_eq!(slots.first_empty(), None);
        assert_eq!(slots.add(signature(99)), Err(SlotsError::Full));
        let key = signature(3).key().fingerprint();
        assert_eq!(slots.add(signature(3)), Err(SlotsError::AlreadySigned { key, slot: 3 }));
    }

    #[test]
    fn an_empty_slot_before_a_taken_one_and_the_same_signature_twice_can_be_read() {
        let mut bytes = [b'\n'; SLOTS_LEN];
        for slot in [2, 7] {
            bytes[slot * SLOT_LEN..][..SLOT_LEN].copy_from_slice(&Slots::slot_bytes(&signature(1)));
        }
        let slots = Slots::parse(&bytes).unwrap();
        assert_eq!(slots.iter().map(|(slot, _)| slot).collect::<Vec<_>>(), [2, 7]);
        assert_eq!(slots.signatures(), [signature(1), signature(1)]);
        assert_eq!(slots.first_empty(), Some(0));
        assert_eq!(slots.to_bytes(), bytes);
    }

    #[test]
    fn any_other_byte_in_the_padding_or_an_empty_slot_is_refused() {
        let mut slots = Slots::default();
        slots.add(signature(1)).unwrap();
        let good = slots.to_bytes();
        let armor = signature(1).to_armor().len();
        for at in armor..SLOTS_LEN {
            for byte in [0, b' ', b'\r', b'-', 0xff] {
                let mut bad = good;
                bad[at] = byte;
                let slot = at / SLOT_LEN;
                assert!(
                    matches!(Slots::parse(&bad), Err(SlotsError::Slot { slot: s, .. }) if s == slot),
                    "byte {byte} at {at}"
                );
            }
        }
    }
}
