use std::fmt;
use std::str::FromStr;

/// A time in an allowed signers line: `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, in UTC if
/// a `Z` follows, else in local time.
///
/// It is informational and affects no decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidityTime(String);

/// A text is not a validity time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as \"20270101\" or \"202701010000Z\"")]
pub struct ParseValidityTimeError;

impl ValidityTime {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks whether this time is certainly not earlier than `other`. Times with and without `Z`
    /// cannot be compared.
    pub(crate) fn is_surely_not_before(&self, other: &Self) -> bool {
        let parts = |time: &Self| (time.0.ends_with('Z'), format!("{:0<14}", time.digits()));
        let ((zone, this), (other_zone, other)) = (parts(self), parts(other));
        zone == other_zone && this >= other
    }

    fn digits(&self) -> &str {
        self.0.trim_end_matches('Z')
    }
}

impl FromStr for ValidityTime {
    type Err = ParseValidityTimeError;

    fn from_str(text: &str) -> Result<Self, ParseValidityTimeError> {
        let digits = text.strip_suffix('Z').unwrap_or(text);
        let number =
            |at: usize| digits.get(at..at + 2).map_or(Some(0), |two| two.parse::<u8>().ok());
        let in_range = || {
            Some(
                (1..=12).contains(&number(4)?)
                    && (1..=31).contains(&number(6)?)
                    && number(8)? < 24
                    && number(10)? < 60
                    && number(12)? < 60,
            )
        };
        let valid = matches!(digits.len(), 8 | 12 | 14)
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && in_range().unwrap_or(false);
        if valid { Ok(Self(text.to_owned())) } else { Err(ParseValidityTimeError) }
    }
}

impl fmt::Display for ValidityTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_that_openssh_reads() {
        for good in ["20270101", "20270101Z", "202701012359", "20271231235959Z"] {
            assert_eq!(good.parse::<ValidityTime>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "Z",
            "2027",
            "2027010",
            "20271301",
            "20270100",
            "20270132",
            "202701012400",
            "202701010060",
            "2027-01-01",
            "20270101ZZ",
            "+2027010",
            "2027010１",
        ] {
            assert!(bad.parse::<ValidityTime>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_are_compared_only_with_the_same_zone() {
        let not_before = |a: &str, b: &str| {
            a.parse::<ValidityTime>().unwrap().is_surely_not_before(&b.parse().unwrap())
        };
        assert!(not_before("20270101", "20270101"));
        assert!(not_before("20270101000001Z", "20270101Z"));
        assert!(!not_before("20261231", "20270101"));
        assert!(!not_before("20270102Z", "20270101"));
    }
}
