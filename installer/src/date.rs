use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time, displayed in UTC: `2026-03-01 14:05:00 UTC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date(
    /// Seconds since 1970.
    pub(crate) i64,
);

impl From<SystemTime> for Date {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

impl Date {
    /// Returns year, month, day, hour, minute and second, in UTC.
    #[must_use]
    pub(crate) fn numbers(self) -> [i64; 6] {
        let (days, seconds) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        [year, month, day, seconds / 3600, seconds / 60 % 60, seconds % 60]
    }
}

impl Date {
    /// Parses a time of this form, in UTC: `2026-03-01T14:05:00`, with any suffix.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |at: std::ops::Range<usize>| text.get(at)?.parse::<i64>().ok();
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        let sane = (1..=12).contains(&month) && (1..=31).contains(&day);
        let clock =
            (0..24).contains(&hour) && (0..60).contains(&minute) && (0..61).contains(&second);
        if !sane || !clock {
            return None;
        }
        // Years begin in March here too, so that the leap day is the last of its year.
        let year = if month <= 2 { year - 1 } else { year };
        let month = (month + 9) % 12;
        let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
        Some(Self(days * 86_400 + hour * 3600 + minute * 60 + second))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day, hour, minute, second] = self.numbers();
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// Returns the date this number of days after 1970-01-01, in the Gregorian calendar.
///
/// The computation uses years that begin in March, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of `date -u -d @N`.
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_709_251_200, "2024-03-01 00:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(Date(seconds).to_string(), text);
            assert_eq!(Date::parse(text), Some(Date(seconds)));
        }
        for bad in ["", "2026-13-01T00:00:00", "2026-01-01", "2026-01-01T24:00:00", "ä026-01-01"] {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
    }
}
