use std::time::Duration;

/// The progress of a transfer or a pass over some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The bytes that are done.
    pub done: u64,
    /// The bytes in all.
    pub total: u64,
    /// How many of the bytes were done before the clock started.
    pub earlier: u64,
    /// The time since the start.
    pub took: Duration,
}

impl Pace {
    /// Returns the rate in bytes per second.
    #[must_use]
    pub fn rate(self) -> u64 {
        let moved = u128::from(self.done.saturating_sub(self.earlier));
        u64::try_from(moved * 1000 / self.took.as_millis().max(1)).unwrap_or(u64::MAX)
    }

    /// Returns the share that is done, 0 to 100.
    #[must_use]
    pub fn percent(self) -> u64 {
        let percent = u128::from(self.done) * 100 / u128::from(self.total).max(1);
        u64::try_from(percent).unwrap_or(100).min(100)
    }

    /// Returns the seconds that are left at this rate; `None` while nothing moves.
    #[must_use]
    pub fn seconds_left(self) -> Option<u64> {
        let rate = self.rate();
        (rate > 0).then(|| self.total.saturating_sub(self.done).div_ceil(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_counts_only_what_moved_since_the_start() {
        let took = Duration::from_secs(2);
        let pace = Pace { done: 1500, total: 3000, earlier: 400, took };
        assert_eq!((pace.rate(), pace.percent(), pace.seconds_left()), (550, 50, Some(3)));
    }

    #[test]
    fn nothing_moves_at_first_and_zero_bytes_are_no_division() {
        let pace = Pace { done: 0, total: 0, earlier: 0, took: Duration::ZERO };
        assert_eq!((pace.rate(), pace.percent(), pace.seconds_left()), (0, 0, None));
    }
}
