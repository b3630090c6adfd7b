mod lies;
mod random;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::*;
use crate::cache::Cache;
use crate::cache::tests::scratch;
use crate::net::liar::{Act, Liar};
use crate::net::{Proxy, Timeouts};

const CAP: ByteSize = ByteSize::new(4 << 20);

/// A content in which no two places look alike.
fn content() -> Vec<u8> {
    static CONTENT: OnceLock<Vec<u8>> = OnceLock::new();
    CONTENT.get_or_init(|| (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect()).clone()
}

/// Whether the digest is known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

fn fetch(cache: &Cache, mirrors: &[&Liar], known: Known) -> Result<Measured, FetchError> {
    let sha256 = (known == Known::Yes).then(|| Digest::of(&content()));
    fetch_with(cache, mirrors, sha256, Duration::from_millis(500), 4)
}

/// Fetch with these many attempts, and give a server that is silent that long up.
fn fetch_with(
    cache: &Cache,
    mirrors: &[&Liar],
    sha256: Option<Digest>,
    stall: Duration,
    attempts: u32,
) -> Result<Measured, FetchError> {
    let mirrors: Vec<HttpUrl> = mirrors.iter().map(|liar| liar.url().parse().unwrap()).collect();
    let timeouts = Timeouts { connect: Duration::from_secs(5), stall };
    let client = Client::new(timeouts, Proxy::None);
    let lock = cache.lock(|_| {}).unwrap();
    let fetcher = Fetcher {
        client: Some(&client),
        cache: &lock,
        patience: Patience { attempts, first_wait: Duration::from_millis(1) },
        ui: &Ui::remembering(),
    };
    let download = Download { name: "it", mirrors: &mirrors, sha256, size: None, cap: CAP };
    let begun = Instant::now();
    let result = fetcher.fetch(&download);
    assert!(begun.elapsed() < Duration::from_secs(30), "it hangs");
    result
}

#[test]
fn a_wrong_size_is_refused_also_where_the_cache_has_the_content() {
    let (_dir, cache) = scratch();
    let liar = Liar::new(&content(), [Act::Honest]);
    let measured = fetch(&cache, &[&liar], Known::Yes).unwrap();
    let lock = cache.lock(|_| {}).unwrap();
    let patience = Patience { attempts: 1, first_wait: Duration::from_millis(1) };
    let fetcher = Fetcher { client: None, cache: &lock, patience, ui: &Ui::remembering() };
    let fetch = |size| {
        let sha256 = Some(measured.sha256);
        let download = Download { name: "it", mirrors: &[], sha256, size: Some(size), cap: CAP };
        fetcher.fetch(&download).map_err(|error| error.to_string())
    };
    assert_eq!(fetch(measured.size), Ok(measured.clone()));
    let error = fetch(measured.size + 1).unwrap_err();
    assert!(
        error.contains("4000001 bytes, but the content with its digest has 4000000"),
        "{error}"
    );
}

/// Asserts that the cache holds only complete copies of the expected content.
fn assert_no_wrong_byte(cache: &Cache) {
    for entry in cache.entries().unwrap() {
        assert_eq!(entry.sha256, Digest::of(&content()));
        let mut file = cache.open_content(entry.sha256).unwrap();
        let measured = vgpu_manifest::Measure::of(&mut file).unwrap();
        assert_eq!(measured.sha256, entry.sha256);
        assert_eq!(cache.lock(|_| {}).unwrap().measured(entry.sha256).unwrap(), measured);
    }
}

fn succeeds(acts: &[Act], known: Known) -> Vec<Option<u64>> {
    let (_dir, cache) = scratch();
    let liar = Liar::new(&content(), acts.iter().cloned());
    let measured = fetch(&cache, &[&liar], known).unwrap_or_else(|e| panic!("{acts:?}: {e}"));
    assert_eq!(measured.sha256, Digest::of(&content()), "{acts:?}");
    assert_no_wrong_byte(&cache);
    liar.ranges()
}

fn fails(acts: &[Act], known: Known) -> String {
    let (_dir, cache) = scratch();
    let liar = Liar::new(&content(), acts.iter().cloned());
    let error = fetch(&cache, &[&liar], known).unwrap_err();
    assert_no_wrong_byte(&cache);
    assert!(matches!(error, FetchError::Failed { .. }), "{acts:?}: {error}");
    error.to_string()
}

const HALF: usize = 2_000_000;

#[test]
fn a_download_that_is_cut_off_goes_on_where_it_was() {
    for known in [Known::Yes, Known::No] {
        for cut in [Act::Truncate(HALF), Act::Stall(HALF)] {
            let ranges = succeeds(&[cut.clone(), Act::Honest], known);
            assert_eq!(ranges, [None, Some(HALF as u64)], "{cut:?}");
        }
        // How much of it has arrived before a reset is up to the system.
        let ranges = succeeds(&[Act::Reset(HALF), Act::Honest], known);
        assert_eq!(ranges.len(), 2);
    }
}

#[test]
fn a_server_without_ranges_is_asked_for_all_of_it() {
    for known in [Known::Yes, Known::No] {
        succeeds(&[Act::Truncate(HALF), Act::IgnoreRange], known);
        succeeds(&[Act::Truncate(HALF), Act::WrongRange, Act::Honest], known);
        succeeds(&[Act::Truncate(HALF), Act::Status(416, ""), Act::Honest], known);
        succeeds(&[Act::Truncate(HALF), Act::OtherTotal(HALF + 1000), Act::Honest], known);
        succeeds(&[Act::Truncate(HALF), Act::LongRange, Act::Honest], known);
    }
}

#[test]
fn trouble_that_passes_is_waited_for() {
    for act in [
        Act::Status(500, ""),
        Act::Status(503, "Retry-After: 0\r\n"),
        Act::Status(429, ""),
        Act::Noise,
    ] {
        assert_eq!(succeeds(&[act, Act::Honest], Known::No).len(), 2);
    }
    succeeds(&[Act::Chunked], Known::No);
    succeeds(&[Act::NoLength(4_000_000)], Known::Yes);
}

#[test]
fn two_versions_are_never_mixed() {
    let mut other = content();
    other.reverse();
    // The server says that it has changed: all of the new one comes, which is not what is wanted.
    let new = [Act::Truncate(HALF), Act::Become(other.clone()), Act::Honest];
    let error = fails(&new, Known::Yes);
    assert!(error.contains("has another content") && error.contains("SHA-256"), "{error}");
    // It does not say so. The digest does, and another attempt brings nothing better.
    let error = fails(&[Act::Truncate(HALF), Act::Swap(other.clone()), Act::Honest], Known::Yes);
    assert!(error.contains("has another content"), "{error}");
    // It was the other way round: the first half was of something else.
    let (_dir, cache) = scratch();
    let liar = Liar::new(&other, [Act::Truncate(HALF), Act::Swap(content()), Act::Honest]);
    assert!(fetch(&cache, &[&liar], Known::Yes).is_ok());
    assert_no_wrong_byte(&cache);
    // Nothing is known of it: what comes is the new version, and all of it.
    let (_dir, cache) = scratch();
    let liar = Liar::new(&other, [Act::Truncate(HALF), Act::Become(content()), Act::Honest]);
    assert_eq!(fetch(&cache, &[&liar], Known::No).unwrap().sha256, Digest::of(&content()));
    assert_no_wrong_byte(&cache);
}

#[test]
fn a_server_that_sends_a_little_each_time_does_not_keep_us() {
    let (_dir, cache) = scratch();
    let liar = Liar::new(&content(), [Act::Truncate(10)]);
    fetch(&cache, &[&liar], Known::Yes).unwrap_err();
    assert_eq!(liar.ranges().len(), 4);
}

#[test]
fn another_mirror_goes_on_where_the_first_one_failed() {
    let (_dir, cache) = scratch();
    let bad = Liar::new(&content(), [Act::Truncate(HALF)]);
    let good = Liar::new(&content(), [Act::Honest]);
    fetch(&cache, &[&bad, &good], Known::Yes).unwrap();
    assert_eq!(good.ranges(), [Some(HALF as u64)]);
    assert_no_wrong_byte(&cache);

    // The beginning that the first one sent is wrong, which is noticed and mended.
    let (_dir, cache) = scratch();
    let wrong = Liar::new(&vec![7; 4_000_000], [Act::Truncate(HALF)]);
    let good = Liar::new(&content(), [Act::Honest]);
    fetch(&cache, &[&wrong, &good], Known::Yes).unwrap();
    assert_no_wrong_byte(&cache);

    // Without a digest nothing says that two mirrors have the same.
    let (_dir, cache) = scratch();
    let good = Liar::new(&content(), [Act::Honest]);
    fetch(&cache, &[&bad, &good], Known::No).unwrap();
    assert_eq!(good.ranges(), [None]);
}

#[test]
fn what_an_earlier_run_has_left_is_used() {
    for known in [Known::Yes, Known::No] {
        let (_dir, cache) = scratch();
        let liar = Liar::new(&content(), [Act::Truncate(HALF), Act::Status(404, ""), Act::Honest]);
        fetch(&cache, &[&liar], known).unwrap_err();
        fetch(&cache, &[&liar], known).unwrap();
        assert_eq!(liar.ranges(), [None, Some(HALF as u64), Some(HALF as u64)]);
        assert_no_wrong_byte(&cache);
    }
}

#[test]
fn a_content_that_is_here_is_not_fetched_again() {
    let (_dir, cache) = scratch();
    let liar = Liar::new(&content(), [Act::Honest]);
    fetch(&cache, &[&liar], Known::Yes).unwrap();
    fetch(&cache, &[&liar], Known::Yes).unwrap();
    assert_eq!(liar.ranges().len(), 1);
}

#[test]
fn offline_is_offline() {
    let (_dir, cache) = scratch();
    let lock = cache.lock(|_| {}).unwrap();
    let ui = Ui::remembering();
    let fetcher = Fetcher { client: None, cache: &lock, patience: Patience::default(), ui: &ui };
    let liar = Liar::new(&content(), [Act::Honest]);
    let mirrors = [liar.url().parse().unwrap()];
    let download = Download { name: "it", mirrors: &mirrors, sha256: None, size: None, cap: CAP };
    assert!(matches!(fetcher.fetch(&download), Err(FetchError::Offline { .. })));
    assert!(liar.ranges().is_empty());
}
