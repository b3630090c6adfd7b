use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Let up to `most` threads, but no more than there are cores, take the numbers below `count`, in
/// order, until one of them fails.
///
/// `work` runs once in each thread and is given the function that hands out the next number; its
/// error says at which number it failed. Of several failures the one with the lowest number is
/// returned: every lower number was handed out before, so the threads' timing does not matter.
pub(crate) fn in_parallel<E: Send>(
    most: usize,
    count: usize,
    work: impl Fn(&dyn Fn() -> Option<usize>) -> Result<(), (usize, E)> + Sync,
) -> Result<(), E> {
    let counter = AtomicUsize::new(0);
    let failure: Mutex<Option<(usize, E)>> = Mutex::new(None);
    let next = || Some(counter.fetch_add(1, Ordering::Relaxed)).filter(|&n| n < count);
    let run = || {
        if let Err((index, error)) = work(&next) {
            counter.store(count, Ordering::Relaxed);
            let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
            if first.as_ref().is_none_or(|(other, _)| index < *other) {
                *first = Some((index, error));
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 1..cores.min(most).min(count) {
            scope.spawn(run);
        }
        run();
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), |(_, error)| Err(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_handed_out_once() {
        let sum = AtomicUsize::new(0);
        let result: Result<(), ()> = in_parallel(4, 1000, |next| {
            while let Some(n) = next() {
                sum.fetch_add(n, Ordering::Relaxed);
            }
            Ok(())
        });
        assert_eq!((result, sum.into_inner()), (Ok(()), 499_500));
    }

    #[test]
    fn the_first_failure_wins_however_long_it_takes() {
        for _ in 0..20 {
            let result = in_parallel(4, 100, |next| {
                while let Some(n) = next() {
                    if n == 10 {
                        std::thread::sleep(std::time::Duration::from_millis(2));
                    }
                    if n >= 10 {
                        return Err((n, n));
                    }
                }
                Ok(())
            });
            assert_eq!(result, Err(10));
        }
    }
}
