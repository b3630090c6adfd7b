use std::time::{Duration, Instant};

use super::liar::{Act, Liar};
use super::*;

fn client() -> Client {
    let timeouts = Timeouts { connect: Duration::from_secs(5), stall: Duration::from_millis(300) };
    Client::new(timeouts, Proxy::None)
}

/// Ask once, and read what comes.
fn get(url: &str, resume: Option<Resume<'_>>) -> Result<(u64, Vec<u8>), NetError> {
    let mut reply = client().get(&url.parse().unwrap(), resume)?;
    let (mut bytes, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        match reply.read(&mut buf)? {
            0 => return Ok((reply.start(), bytes)),
            n => bytes.extend_from_slice(&buf[..n]),
        }
    }
}

fn error_of(act: Act) -> NetError {
    let begun = Instant::now();
    let error = get(&Liar::new(&[7; 10_000], [act]).url(), None).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{error}");
    error
}

#[test]
fn the_whole_content_or_the_rest_of_it_comes() {
    let liar = Liar::new(b"hello world", [Act::Honest]);
    assert_eq!(get(&liar.url(), None).unwrap(), (0, b"hello world".to_vec()));
    let validator = Validator::from_note("\"v0\"");
    let resume = Resume { from: 6, validator: Some(&validator), total: None };
    assert_eq!(get(&liar.url(), Some(resume)).unwrap(), (6, b"world".to_vec()));
    // The server has another version, so it sends that, whole.
    let validator = Validator::from_note("\"v9\"");
    let resume = Resume { from: 6, validator: Some(&validator), total: None };
    assert_eq!(get(&liar.url(), Some(resume)).unwrap(), (0, b"hello world".to_vec()));
    let chunked = Liar::new(&[7; 5000], [Act::Chunked]);
    assert_eq!(get(&chunked.url(), None).unwrap().1, [7; 5000]);
}

#[test]
fn every_failure_is_distinguished() {
    for (act, word) in [
        (Act::Truncate(100), "broke: "),
        (Act::Reset(100), "broke: "),
        (Act::Stall(100), "has sent nothing for 0.3 s"),
        (Act::Trickle, "sends too slowly"),
        (Act::Noise, "broke: "),
    ] {
        let error = error_of(act);
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(error.retry(), Retry::Later(Duration::ZERO), "{error}");
    }
    let redirect = error_of(Act::Loop);
    assert!(redirect.to_string().contains("more than 10 times"), "{redirect}");
    assert_eq!(redirect.retry(), Retry::Never);
    let gone = error_of(Act::Status(404, ""));
    assert!(gone.to_string().ends_with("answers 404"), "{gone}");
    assert_eq!(gone.retry(), Retry::Never);
    let busy = error_of(Act::Status(503, "Retry-After: 3\r\n"));
    assert_eq!(busy.retry(), Retry::Later(Duration::from_secs(3)));
    for act in [Act::WrongRange, Act::Status(200, "Content-Encoding: gzip\r\n")] {
        let error = error_of(act);
        assert!(error.to_string().contains("gives a wrong answer"), "{error}");
        assert_eq!(error.retry(), Retry::Never, "{error}");
    }
}

#[test]
fn a_server_that_is_not_there_is_worth_another_try() {
    let url = Liar::new(b"", [Act::Honest]).url();
    let error = get(&url, None).unwrap_err();
    assert!(error.to_string().starts_with("cannot reach"), "{error}");
    assert_eq!(error.retry(), Retry::Later(Duration::ZERO));
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[test]
fn another_part_than_the_rest_is_not_taken_for_it() {
    let liar = Liar::new(&[7; 100], [Act::WrongRange]);
    let error =
        get(&liar.url(), Some(Resume { from: 50, validator: None, total: None })).unwrap_err();
    assert_eq!(error.retry(), Retry::FromStart, "{error}");
    let all = Liar::new(&[7; 100], [Act::Honest]);
    let error =
        get(&all.url(), Some(Resume { from: 100, validator: None, total: None })).unwrap_err();
    assert_eq!(error.retry(), Retry::FromStart, "{error}");
}
