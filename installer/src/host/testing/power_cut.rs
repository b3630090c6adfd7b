use std::cell::Cell;
use std::rc::Rc;

/// Triggers a power cut or a full disk: at one change, just before it or just after it.
///
/// Shared by everything that would survive a power cut, so that the cut is the same for all.
#[derive(Debug, Clone)]
pub(crate) struct Fuse {
    left: Rc<Cell<usize>>,
    late: Late,
}

/// The kind of failure, and its side of the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// Power cut before the change.
    Before,
    /// Power cut after the change.
    After,
    /// Full disk: the change fails and the power stays on. Changes that free space still succeed.
    Full,
}

impl Fuse {
    /// Returns a power source that never fails.
    pub(crate) fn never() -> Self {
        Self { left: Rc::new(Cell::new(usize::MAX)), late: Late::Before }
    }

    /// Returns a power source that fails at the `n`-th change from now, counted from one.
    pub(crate) fn at(n: usize, late: Late) -> Self {
        Self { left: Rc::new(Cell::new(n)), late }
    }

    /// Checks whether the power is off or the disk is full.
    pub(crate) fn is_blown(&self) -> bool {
        self.left.get() == 0
    }

    /// Checks whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        self.late == Late::Full && self.is_blown()
    }

    /// Makes a change that needs no space.
    pub(crate) fn shrink<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        if self.late == Late::Full { Some(act()) } else { self.burn(act) }
    }

    /// Makes a change, unless the power is cut before it; `None` if it is cut before or after.
    pub(crate) fn burn<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        match self.left.get() {
            0 => None,
            1 => {
                self.left.set(0);
                if self.late == Late::After {
                    act();
                }
                None
            }
            n => {
                self.left.set(n - 1);
                Some(act())
            }
        }
    }
}

impl Default for Fuse {
    fn default() -> Self {
        Self::never()
    }
}
