//! Mirrors that lie at random, each in its own way.

use super::*;

/// A small generator of numbers: what it gives depends on the seed only.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides
    }
}

/// Returns the expected content: enough for several pieces, and small enough for many rounds.
fn content() -> Vec<u8> {
    super::content()[..LEN].to_vec()
}

const LEN: usize = 600_000;

/// Something that a server does.
fn act(dice: &mut Dice, known: Known) -> Act {
    let at = dice.roll(LEN);
    let mut other = content();
    other[at] ^= 1;
    match dice.roll(24) {
        0..4 => Act::Honest,
        4 | 5 => Act::CutAt(at),
        6 => Act::Truncate(at),
        7 => Act::Reset(at),
        8 => Act::Stall(at),
        9 => Act::IgnoreRange,
        10 => Act::WrongRange,
        11 => Act::Become(other),
        // Without a digest, a wrong `ETag` cannot be detected.
        12 if known == Known::No => Act::Become(other),
        12 => Act::Swap(other),
        13 => Act::Status([404, 416, 429, 500, 503][at % 5], ""),
        14 => Act::Endless(5 << 20),
        15 => Act::Promise(LEN as u64 + 1),
        16 => Act::NoLength(at),
        17 => Act::Chunked,
        18 => Act::ShortRange(at),
        19 => Act::LongRange,
        20 => Act::OtherTotal(at.max(1)),
        21 => Act::ChunkedWithLength(at as u64),
        22 => Act::Gzip,
        _ => Act::Noise,
    }
}

/// One to three mirrors, what each of them does, and what became of it.
fn round(seed: u64, known: Known) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..8 {
        dice.roll(2);
    }
    let scripts: Vec<Vec<Act>> = (0..=dice.roll(3))
        .map(|_| (0..=dice.roll(5)).map(|_| act(&mut dice, known)).collect())
        .collect();
    let acts_of_each: Vec<Vec<String>> =
        scripts.iter().map(|acts| acts.iter().map(short).collect()).collect();
    let liars: Vec<Liar> = scripts.into_iter().map(|acts| Liar::new(&content(), acts)).collect();
    let mirrors: Vec<&Liar> = liars.iter().collect();
    let (_dir, cache) = scratch();
    let sha256 = (known == Known::Yes).then(|| Digest::of(&content()));
    // Three runs: what one has left, the next one may build on.
    for _ in 0..3 {
        match fetch_with(&cache, &mirrors, sha256, Duration::from_millis(50), 5) {
            // Without an expected digest, it is the complete content of one server.
            Ok(measured) => {
                let had = |liar: &Liar| {
                    liar.had().iter().any(|content| Digest::of(content) == measured.sha256)
                };
                let is_right = match sha256 {
                    Some(sha256) => measured.sha256 == sha256,
                    None => liars.iter().any(had),
                };
                assert!(is_right, "{seed}: a mixture of {acts_of_each:?}");
            }
            Err(error @ FetchError::Failed { .. }) => {
                assert!(error.to_string().contains("http://127.0.0.1:"), "{seed}: {error}");
            }
            Err(error) => panic!("{seed}: {acts_of_each:?}: {error}"),
        }
        let entries = cache.entries().unwrap();
        let is_wrong = |entry: &crate::cache::Entry| Some(entry.sha256) != sha256;
        assert!(known == Known::No || !entries.iter().any(is_wrong), "{seed}: {acts_of_each:?}");
    }
    // An honest server always completes the download.
    let good = Liar::new(&content(), [Act::Honest]);
    let measured = fetch_with(&cache, &[&good], sha256, Duration::from_secs(5), 5).unwrap();
    assert_eq!(measured.sha256, Digest::of(&content()), "{seed}: {acts_of_each:?}");
}

/// An act without the megabytes that it may have.
fn short(act: &Act) -> String {
    format!("{act:?}").chars().take(30).collect()
}

#[test]
fn with_a_digest_no_mixture_of_lies_gets_a_wrong_byte_into_the_cache() {
    for seed in 1..=40 {
        round(seed, Known::Yes);
    }
}

#[test]
fn without_a_digest_what_comes_is_what_some_server_had() {
    for seed in 1..=40 {
        round(seed, Known::No);
    }
}
