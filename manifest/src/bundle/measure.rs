//! Digests of a stream, and parallel work on chunks.

use std::convert::Infallible;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::read::PIECE;
use crate::{CHUNK, Digest, Hasher};

/// The size and the digests of a stream, taken in one pass, so that the list of chunks always
/// belongs to the same bytes as the whole digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The number of bytes.
    pub size: u64,
    /// The SHA-256 of all bytes.
    pub sha256: Digest,
    /// The SHA-256 of each chunk; empty if all bytes fit into one.
    pub chunks: Vec<Digest>,
}

/// Computes a [`Measured`] piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Measure {
    size: u64,
    whole: Hasher,
    chunk: Hasher,
    chunks: Vec<Digest>,
}

impl Measure {
    /// Adds bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let room = CHUNK - self.size % CHUNK;
            let len = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(len);
            self.chunk.update(now);
            self.size += len as u64;
            if self.size.is_multiple_of(CHUNK) {
                self.chunks.push(std::mem::take(&mut self.chunk).finish());
            }
            bytes = later;
        }
    }

    /// Returns the result for all added bytes.
    #[must_use]
    pub fn finish(mut self) -> Measured {
        if !self.size.is_multiple_of(CHUNK) {
            self.chunks.push(self.chunk.finish());
        }
        if self.size <= CHUNK {
            self.chunks.clear();
        }
        Measured { size: self.size, sha256: self.whole.finish(), chunks: self.chunks }
    }

    /// Measures a reader to its end.
    pub fn of(reader: &mut dyn Read) -> io::Result<Measured> {
        let mut measure = Self::default();
        let mut buf = vec![0; PIECE];
        loop {
            match reader.read(&mut buf) {
                Ok(0) => return Ok(measure.finish()),
                Ok(n) => measure.update(&buf[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Applies `act` to all items, `width` of them at a time, and returns the results in order.
///
/// Continues after errors, so that a run of downloads reports all problems at once.
pub fn parallel<T: Sync, R: Send>(
    width: NonZeroUsize,
    items: &[T],
    act: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let Ok(()) = on_threads::<Infallible>(width.get(), items.len(), |next| {
        while let Some(index) = next() {
            let result = act(&items[index]);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
        Ok(())
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs `work` in up to `most` threads, but no more than there are cores, until all numbers below
/// `count` are handed out or one thread fails.
///
/// `work` runs once in each thread and gets a function that returns the next number; its error
/// names the number at which it failed. Of several failures, the one with the lowest number is
/// returned: all lower numbers were handed out before, so the result does not depend on timing.
pub(crate) fn in_parallel<E: Send>(
    most: usize,
    count: usize,
    work: impl Fn(&dyn Fn() -> Option<usize>) -> Result<(), (usize, E)> + Sync,
) -> Result<(), E> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    on_threads(cores.min(most), count, work)
}

fn on_threads<E: Send>(
    threads: usize,
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
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(run);
        }
        run();
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), |(_, error)| Err(error))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn chunks_begin_where_they_should_whatever_the_pieces() {
        let chunk = usize::try_from(CHUNK).unwrap();
        for (size, chunks) in
            [(0, 0), (1, 0), (chunk, 0), (chunk + 1, 2), (2 * chunk, 2), (2 * chunk + 1, 3)]
        {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            let at_once = Measure::of(&mut &*bytes).unwrap();
            assert_eq!(at_once.chunks.len(), chunks, "{size}");
            assert_eq!(at_once.sha256, Digest::of(&bytes));
            if chunks > 0 {
                let expected: Vec<_> = bytes.chunks(chunk).map(Digest::of).collect();
                assert_eq!(at_once.chunks, expected, "{size}");
            }
            let mut slowly = Measure::default();
            bytes.chunks(777_777).for_each(|piece| slowly.update(piece));
            assert_eq!(slowly.finish(), at_once, "{size}");
        }
    }

    #[test]
    fn results_keep_the_order_of_their_items() {
        let items: Vec<usize> = (0..100).collect();
        let four = NonZeroUsize::new(4).unwrap();
        assert_eq!(
            parallel(four, &items, |n| n * 2),
            items.iter().map(|n| n * 2).collect::<Vec<_>>()
        );
        assert_eq!(parallel(four, &[] as &[usize], |n| *n), Vec::<usize>::new());
    }

    #[test]
    fn as_many_run_at_once_as_were_asked_for() {
        // The barrier never opens if fewer than four run at the same time.
        let four = NonZeroUsize::new(4).unwrap();
        let barrier = Barrier::new(4);
        assert_eq!(parallel(four, &[(); 8], |()| barrier.wait().is_leader()).len(), 8);
    }

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
