//! Archives that are truncated, reordered, overwritten, or random.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::manifest::mutations::frame::{Writer, good};

/// A mutation of an archive.
#[derive(Debug, Clone)]
enum Harm {
    Overwrite(Index, Vec<u8>),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    SwapBlocks(Index, Index),
    CopyBlock(Index, Index),
    InsertBlock(Index, Index),
    RemoveBlock(Index),
    ZeroBlock(Index),
    Cut(Index),
    Append(Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<Index>;
    let few = || prop::collection::vec(any::<u8>(), 1..20);
    prop_oneof![
        (at(), few()).prop_map(|(at, bytes)| Harm::Overwrite(at, bytes)),
        (at(), few()).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        (at(), 1..1200_usize).prop_map(|(at, len)| Harm::Remove(at, len)),
        (at(), at()).prop_map(|(a, b)| Harm::SwapBlocks(a, b)),
        (at(), at()).prop_map(|(a, b)| Harm::CopyBlock(a, b)),
        (at(), at()).prop_map(|(a, b)| Harm::InsertBlock(a, b)),
        at().prop_map(Harm::RemoveBlock),
        at().prop_map(Harm::ZeroBlock),
        at().prop_map(Harm::Cut),
        few().prop_map(Harm::Append),
    ]
}

impl Harm {
    fn befall(&self, bytes: &mut Vec<u8>) {
        let blocks = bytes.len() / 512;
        if blocks == 0 {
            return;
        }
        let block = |index: &Index| index.index(blocks) * 512;
        match self {
            Self::Overwrite(at, new) => {
                let at = at.index(bytes.len());
                let len = new.len().min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&new[..len]);
            }
            Self::Insert(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove(at, len) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + len).min(bytes.len()));
            }
            Self::SwapBlocks(a, b) => {
                let (a, b) = (block(a), block(b));
                for i in 0..512 {
                    bytes.swap(a + i, b + i);
                }
            }
            Self::CopyBlock(from, to) => {
                bytes.copy_within(block(from)..block(from) + 512, block(to));
            }
            Self::InsertBlock(from, to) => {
                let copy = bytes[block(from)..block(from) + 512].to_vec();
                bytes.splice(block(to)..block(to), copy);
            }
            Self::RemoveBlock(at) => drop(bytes.drain(block(at)..block(at) + 512)),
            Self::ZeroBlock(at) => bytes[block(at)..block(at) + 512].fill(0),
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Append(new) => bytes.extend_from_slice(new),
        }
    }
}

/// The protected bytes: everything before the slots, the signatures, everything after them.
type Meaning<'b> = (&'b [u8], BTreeSet<&'b [u8]>, &'b [u8]);

/// Checks whether two bundles differ only in the slots of their signatures.
fn meaning(bytes: &[u8]) -> Option<Meaning<'_>> {
    let slots = bytes.get(512..4608)?.chunks(512).filter(|slot| slot.iter().any(|&b| b != b'\n'));
    Some((&bytes[..512], slots.collect(), &bytes[4608..]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// FORMAT.md allows a signature in any slot, so only that may differ.
    #[test]
    fn a_harmed_bundle_is_refused(harms in prop::collection::vec(harm(), 1..5)) {
        let writer = Writer::new();
        let before = good(&writer);
        let mut after = before.clone();
        for harm in &harms {
            harm.befall(&mut after);
        }
        if writer.verdict(&after).is_ok() {
            prop_assert_eq!(meaning(&before), meaning(&after));
        } else {
            prop_assert!(before != after);
        }
    }

    #[test]
    fn whatever_is_no_bundle_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..12_000)) {
        prop_assert!(Writer::new().verdict(&bytes).is_err());
    }

    /// Before the signature is verified, only sizes are read.
    #[test]
    fn whatever_sizes_say_is_refused(
        sums in "[0-7]{11}\0|[ 0-9]{12}",
        manifest in "[0-7]{11}\0|0000000[0-7]{4}\0",
        unsigned in any::<bool>(),
    ) {
        let writer = Writer::new();
        let mut bytes = good(&writer);
        prop_assume!(&bytes[4608 + 124..4608 + 136] != sums.as_bytes());
        bytes[4608 + 124..4608 + 136].copy_from_slice(sums.as_bytes());
        let size = u64::from_str_radix(sums.trim_end_matches('\0'), 8).unwrap_or(0);
        let next = 4608 + 512 + usize::try_from(size.min(4096)).unwrap().next_multiple_of(512);
        bytes[next + 124..next + 136].copy_from_slice(manifest.as_bytes());
        if unsigned {
            bytes[512..4608].fill(b'\n');
        }
        prop_assert!(writer.verdict(&bytes).is_err());
    }
}
