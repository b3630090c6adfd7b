use std::io;
use std::time::{Duration, Instant};

use super::http::{Response, from_read};
use super::{NetError, Resume};
use crate::types::HttpUrl;

/// The body of an answer: a content, or the rest of one.
#[derive(Debug)]
pub(crate) struct Reply {
    url: HttpUrl,
    response: Response,
    start: u64,
    total: Option<u64>,
    validator: Option<Validator>,
    stall: Duration,
    pace: Pace,
}

/// The validator of a version of a content: a strong `ETag`, or the date of the last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Validator(String);

impl Validator {
    #[must_use]
    pub(crate) fn from_note(text: &str) -> Self {
        Self(text.to_owned())
    }

    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A weak tag does not promise identical bytes, so it cannot be used here.
    fn of(response: &Response) -> Option<Self> {
        let tag = text(response, "etag").filter(|tag| tag.starts_with('"'));
        tag.or_else(|| text(response, "last-modified")).map(|text| Self(text.to_owned()))
    }
}

impl Reply {
    pub(super) fn new(
        url: &HttpUrl,
        resume: Option<Resume<'_>>,
        response: Response,
        stall: Duration,
    ) -> Result<Self, NetError> {
        let protocol = |why| NetError::protocol(url, why);
        let range = |why| NetError::Range { url: url.clone(), why };
        if text(&response, "content-encoding").is_some_and(|how| how != "identity") {
            return Err(protocol("it is compressed although that was not asked for"));
        }
        let validator = Validator::of(&response);
        let (start, total) = match (response.status(), resume) {
            (200, _) => (0, length(&response)),
            (206, Some(resume)) => {
                let (start, total) = content_range(&response)
                    .ok_or_else(|| range("the answer does not say which part it is"))?;
                if start != resume.from {
                    return Err(range("another part came"));
                }
                if resume.validator.is_some() && resume.validator != validator.as_ref() {
                    return Err(range("the content has changed since"));
                }
                if resume.total.is_some_and(|before| before != total) {
                    return Err(range("the content has another length now"));
                }
                (start, Some(total))
            }
            (206, None) => {
                return Err(protocol("only a part came although all was asked for"));
            }
            (416, Some(_)) => {
                return Err(range("there is no rest"));
            }
            (code, _) => {
                let retry_after = retry_after(&response);
                return Err(NetError::Status { url: url.clone(), code, retry_after });
            }
        };
        let pace = Pace::new(stall);
        Ok(Self { url: url.clone(), response, start, total, validator, stall, pace })
    }

    /// Returns the position of the next byte in the content.
    #[must_use]
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Returns the length of the whole content, if the server states it.
    #[must_use]
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    #[must_use]
    pub(crate) fn validator(&self) -> Option<&Validator> {
        self.validator.as_ref()
    }

    /// Checks whether truncation of the content would be detected.
    #[must_use]
    pub(crate) fn end_is_marked(&self) -> bool {
        let coding = text(&self.response, "transfer-encoding");
        self.total.is_some() || coding.is_some_and(|how| how.eq_ignore_ascii_case("chunked"))
    }

    /// Reads some bytes; none at the end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<usize, NetError> {
        loop {
            match self.response.read(buf) {
                Ok(n) if self.pace.is_too_slow(n) => {
                    let why = format!("{} sends too slowly to ever end", self.url);
                    return Err(NetError::Interrupted(why));
                }
                Ok(n) => return Ok(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(from_read(&self.url, &error, self.stall)),
            }
        }
    }
}

/// A limit for servers that send a byte now and then.
#[derive(Debug)]
struct Pace {
    window: Duration,
    begun: Instant,
    bytes: u64,
}

/// The lowest rate in bytes per second; below it, a driver would take weeks.
const LEAST: u64 = 1024;

impl Pace {
    fn new(stall: Duration) -> Self {
        Self { window: 2 * stall, begun: Instant::now(), bytes: 0 }
    }

    fn is_too_slow(&mut self, n: usize) -> bool {
        self.bytes += n as u64;
        if n == 0 || self.begun.elapsed() < self.window {
            return false;
        }
        let too_slow = self.bytes < LEAST * self.begun.elapsed().as_secs().max(1);
        (self.begun, self.bytes) = (Instant::now(), 0);
        too_slow
    }
}

fn text<'r>(response: &'r Response, name: &'static str) -> Option<&'r str> {
    response.headers(name).next()
}

fn length(response: &Response) -> Option<u64> {
    text(response, "content-length")?.parse().ok()
}

/// Parses seconds. The other form, a date, is rare, and depends on synchronized clocks.
fn retry_after(response: &Response) -> Option<Duration> {
    text(response, "retry-after")?.parse().ok().map(Duration::from_secs)
}

/// Returns the first byte and the full length of `bytes 100-199/200`, which must reach the end.
fn content_range(response: &Response) -> Option<(u64, u64)> {
    let (range, total) =
        text(response, "content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let [first, last, total] = [first, last, total].map(|number| number.parse::<u64>().ok());
    let (first, last, total) = (first?, last?, total?);
    (first <= last && last.checked_add(1)? == total).then_some((first, total))
}
