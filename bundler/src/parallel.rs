use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Applies `act` to all items, `width` of them at a time, and returns the results in order.
///
/// Continues after errors, so that a run of downloads reports all problems at once.
pub(crate) fn parallel<T: Sync, R: Send>(
    width: NonZeroUsize,
    items: &[T],
    act: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..width.get().min(items.len()) {
            let (sender, next, act) = (sender.clone(), &next, &act);
            scope.spawn(move || {
                while let Some((index, item)) = take(next, items) {
                    // The receiver outlives the scope.
                    let _ = sender.send((index, act(item)));
                }
            });
        }
    });
    drop(sender);
    let mut results: Vec<(usize, R)> = results.into_iter().collect();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'t, T>(next: &AtomicUsize, items: &'t [T]) -> Option<(usize, &'t T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

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
        // The test would block forever if fewer than four ran at the same time.
        let four = NonZeroUsize::new(4).unwrap();
        let barrier = Barrier::new(4);
        assert_eq!(parallel(four, &[(); 8], |()| barrier.wait().is_leader()).len(), 8);
    }
}
