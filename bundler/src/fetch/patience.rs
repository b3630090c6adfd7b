use std::time::Duration;

/// The limits of repeated attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The most attempts in a row without progress.
    pub(crate) attempts: u32,
    /// The wait after the first of them, which doubles each time.
    pub(crate) first_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempts: 6, first_wait: Duration::from_millis(500) }
    }
}

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The number of new bytes that counts as progress. Otherwise a server that sends one byte per
/// connection could go on for years.
const PROGRESS: u64 = 256 << 10;

/// The range of bytes that an attempt brought.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Brought {
    /// The bytes that were here at its start, and stayed.
    pub(super) from: u64,
    /// The bytes that are here now.
    pub(super) to: u64,
}

/// The attempts of one download.
#[derive(Debug)]
pub(super) struct Waits {
    patience: Patience,
    /// The attempts in a row without progress.
    futile: u32,
    /// The most bytes so far. Bytes that come again are no progress.
    most: u64,
}

impl Patience {
    pub(super) fn begin(self) -> Waits {
        Waits { patience: self, futile: 0, most: 0 }
    }
}

impl Waits {
    /// Returns the wait after a failed attempt, at least `not_before`; `None` to give up.
    pub(super) fn after(&mut self, brought: Brought, not_before: Duration) -> Option<Duration> {
        // Discarded bytes that come again are no progress either.
        let went_on = brought.from >= self.most;
        if went_on && brought.to >= self.most.saturating_add(PROGRESS) {
            self.futile = 0;
        }
        self.most = self.most.max(brought.to);
        self.futile += 1;
        if self.futile >= self.patience.attempts {
            return None;
        }
        let doubled = 2_u32.saturating_pow(self.futile - 1);
        let wait = self.patience.first_wait.saturating_mul(doubled).max(not_before);
        Some(wait.min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let patience = Patience { attempts: 5, first_wait: Duration::from_secs(8) };
        let mut waits = patience.begin();
        let seconds: Vec<_> =
            std::iter::from_fn(|| waits.after(Brought::default(), Duration::ZERO))
                .map(|wait| wait.as_secs())
                .collect();
        assert_eq!(seconds, [8, 16, 30, 30]);
    }

    #[test]
    fn progress_counts_once_and_only_if_it_is_worth_it() {
        let patience = Patience { attempts: 2, first_wait: Duration::ZERO };
        let mut waits = patience.begin();
        let mut after = |from, to| waits.after(Brought { from, to }, Duration::ZERO);
        for piece in 0..3 {
            assert!(after(piece * PROGRESS, (piece + 1) * PROGRESS).is_some());
        }
        // A few bytes more.
        assert!(after(3 * PROGRESS, 3 * PROGRESS + 1).is_none());
    }

    #[test]
    fn a_download_that_always_restarts_makes_no_progress() {
        let mut waits = Patience { attempts: 3, first_wait: Duration::ZERO }.begin();
        let mut after = |from, to| waits.after(Brought { from, to }, Duration::ZERO);
        assert!(after(0, PROGRESS).is_some());
        assert!(after(0, 2 * PROGRESS).is_some());
        assert!(after(0, 3 * PROGRESS).is_none());
    }

    #[test]
    fn a_server_may_ask_for_more_time_but_not_for_ever() {
        let mut waits = Patience::default().begin();
        assert_eq!(
            waits.after(Brought::default(), Duration::from_secs(7)),
            Some(Duration::from_secs(7))
        );
        assert_eq!(waits.after(Brought::default(), Duration::from_secs(7000)), Some(LONGEST_WAIT));
    }
}
