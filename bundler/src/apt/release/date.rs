//! Dates as archives write them: `Sat, 10 Jan 2026 10:31:22 UTC`.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970. Archives write their dates in UTC, whatever they call it.
pub(super) fn parse(text: &str) -> Option<u64> {
    let rest = text.split_once(',').map_or(text, |(_, rest)| rest);
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [day, month, year, time, zone] = words[..] else { return None };
    if !["UTC", "GMT", "Z", "+0000"].contains(&zone) {
        return None;
    }
    let number = |text: &str, max: u64| {
        let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u64>().ok().filter(|number| is_number && *number <= max)
    };
    let month = 1 + MONTHS.iter().position(|name| *name == month)? as u64;
    let (day, year) = (number(day, 31)?, number(year, 9999)?);
    let mut clock = time.split(':').map(|part| number(part, 59));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if year < 1970 || day == 0 || hour > 23 || clock.next().is_some() {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days since 1970. Years begin in March here, so that the leap day is the last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let before = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1;
    // The first of January 1970, counted in the same way.
    before - 719_468
}

/// A day, for people: `2026-01-10`.
pub(crate) fn day(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year_of_era + late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date() {
        // As `date -u -d … +%s` says.
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0),
            ("Sat, 10 Jan 2026 10:31:22 UTC", 1_768_041_082),
            ("Tue, 5 Aug 2025 13:19:41 +0000", 1_754_399_981),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("31 Dec 2099 00:00:00 Z", 4_102_358_400),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
        assert_eq!(day(1_768_041_082), "2026-01-10");
        assert_eq!(
            [0, 1_709_251_199, 4_102_358_400].map(day),
            ["1970-01-01", "2024-02-29", "2099-12-31"]
        );
    }

    #[test]
    fn what_is_no_date_is_none() {
        for bad in [
            "",
            "yesterday",
            "Sat, 10 Jan 2026 10:31:22",
            "Sat, 10 Jan 2026 10:31:22 +0200",
            "Sat, 10 Foo 2026 10:31:22 UTC",
            "Sat, 32 Jan 2026 10:31:22 UTC",
            "Sat, 0 Jan 2026 10:31:22 UTC",
            "Sat, 10 Jan 1969 10:31:22 UTC",
            "Sat, 10 Jan 2026 24:00:00 UTC",
            "Sat, 10 Jan 2026 10:61:00 UTC",
            "Sat, 10 Jan 2026 10:31:22:1 UTC",
            "Sat, +10 Jan 2026 10:31:22 UTC",
            "Sat, 10 Jan 99999 10:31:22 UTC",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
