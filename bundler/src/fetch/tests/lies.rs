//! Every way to lie, one after the other.

use super::*;

/// A server that does nothing else, and a word of what is said of it in the end.
fn hopeless() -> Vec<(Act, &'static str)> {
    vec![
        (Act::Truncate(10), "broke"),
        (Act::Reset(10), "broke"),
        (Act::Stall(10), "has sent nothing for 0.5 s"),
        (Act::SlowHead, "has sent nothing for 0.5 s"),
        (Act::Continue, "has sent nothing for 0.5 s"),
        (Act::EndlessHead, "broke"),
        (Act::Trickle, "too slowly"),
        (Act::Loop, "redirects more than 10 times"),
        (Act::Redirect("ftp://127.0.0.1/x".to_owned()), "not an http or https address"),
        (Act::Redirect("http://".to_owned()), "answers 302"),
        (Act::Status(404, ""), "answers 404"),
        (Act::Status(403, ""), "answers 403"),
        (Act::Status(500, ""), "answers 500"),
        (Act::Status(503, "Retry-After: 0\r\n"), "answers 503"),
        (Act::Status(204, ""), "answers 204"),
        (Act::Status(304, ""), "answers 304"),
        (Act::Status(999, ""), "answers 999"),
        (Act::WrongRange, "only a part came"),
        (Act::Gzip, "compressed although"),
        (Act::Endless(100 << 20), "sends more than 4.0 MiB"),
        (Act::Promise(1 << 40), "sends more than 4.0 MiB"),
        (Act::TwoLengths, "broke"),
        (Act::BadChunks, "broke"),
        (Act::Noise, "broke"),
    ]
}

/// Try each of them, with a digest and without. Most of it is waiting, so they run together.
fn each_hopeless(check: impl Fn(&Act, &str, Known) + Sync) {
    let width = std::num::NonZeroUsize::new(6).unwrap();
    vgpu_manifest::parallel(width, &hopeless(), |(act, word)| {
        for known in [Known::Yes, Known::No] {
            check(act, word, known);
        }
    });
}

#[test]
fn the_last_word_says_what_is_wrong() {
    each_hopeless(|act, word, known| {
        let error = fails(std::slice::from_ref(act), known);
        assert!(error.contains(word), "{act:?}: {error}");
        assert!(error.contains("`it`") && error.contains("http://127.0.0.1:"), "{error}");
    });
    let error = fails(&[Act::NoLength(10)], Known::No);
    assert!(error.contains("give its `sha256`"), "{error}");
    let error = fails(&[Act::NoLength(10)], Known::Yes);
    assert!(error.contains("has another content"), "{error}");
}

#[test]
fn two_servers_that_redirect_to_each_other_are_left_alone() {
    let (_dir, cache) = scratch();
    let there = Liar::new(&content(), [Act::Honest]);
    let back = Liar::new(&content(), [Act::Redirect(there.url())]);
    there.now([Act::Redirect(back.url())]);
    let error = fetch(&cache, &[&back], Known::Yes).unwrap_err();
    assert!(error.to_string().contains("redirects more than 10 times"), "{error}");
    assert_eq!(there.ranges().len() + back.ranges().len(), 11);
}

#[test]
fn whatever_a_server_does_first_the_truth_wins_in_the_end() {
    each_hopeless(|act, _, known| {
        // A second mirror always helps.
        let (_dir, cache) = scratch();
        let liar = Liar::new(&content(), [act.clone()]);
        let good = Liar::new(&content(), [Act::Honest]);
        let measured = fetch(&cache, &[&liar, &good], known);
        let measured = measured.unwrap_or_else(|error| panic!("{act:?}: {error}"));
        assert_eq!(measured.sha256, Digest::of(&content()), "{act:?}");
        assert_no_wrong_byte(&cache);
    });
}

#[test]
fn no_lie_about_the_rest_gets_into_the_cache() {
    for known in [Known::Yes, Known::No] {
        for lie in [
            Act::ShortRange(1000),
            Act::LongRange,
            Act::OtherTotal(HALF + 1000),
            Act::WrongRange,
            Act::Gzip,
            Act::ChunkedWithLength(4_000_001),
            Act::ChunkedWithLength(10),
        ] {
            let (_dir, cache) = scratch();
            let liar = Liar::new(&content(), [Act::Truncate(HALF), lie.clone()]);
            if let Ok(measured) = fetch(&cache, &[&liar], known) {
                assert_eq!(measured.sha256, Digest::of(&content()), "{lie:?}");
            }
            assert_no_wrong_byte(&cache);
        }
    }
}

#[test]
fn a_server_that_begins_again_each_time_is_given_up() {
    let (_dir, cache) = scratch();
    let acts = (1..40).map(|at| Act::Truncate(at * 100_000));
    let liar = Liar::new(&content(), acts);
    let error = fetch(&cache, &[&liar], Known::Yes).unwrap_err();
    assert!(error.to_string().contains("broke"), "{error}");
    assert!(liar.ranges().len() <= 5, "{:?}", liar.ranges());
}

#[test]
fn one_content_is_fetched_once_however_many_want_it() {
    let (_dir, cache) = scratch();
    let liar = Liar::new(&content(), [Act::Slow(Duration::from_millis(2))]);
    let lock = cache.lock(|_| {}).unwrap();
    let timeouts = Timeouts { connect: Duration::from_secs(5), stall: Duration::from_secs(5) };
    let client = Client::new(timeouts, Proxy::None);
    let ui = Ui::remembering();
    let patience = Patience::default();
    let fetcher = Fetcher { client: Some(&client), cache: &lock, patience, ui: &ui };
    let mirrors = [liar.url().parse().unwrap()];
    let sha256 = Some(Digest::of(&content()));
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let download = Download { name, mirrors: &mirrors, sha256, size: None, cap: CAP };
            scope.spawn(move || fetcher.fetch(&download).unwrap());
        }
    });
    assert_eq!(liar.ranges().len(), 1);
    drop(lock);
    assert_no_wrong_byte(&cache);
}
