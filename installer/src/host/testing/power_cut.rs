use std::cell::Cell;
use std::rc::Rc;

/// Says when the power goes, or the disk is full: at one change, just before it or just after it.
///
/// Shared by everything that would survive a power cut, so that the cut is the same for all.
#[derive(Debug, Clone)]
pub(crate) struct Fuse {
    left: Rc<Cell<usize>>,
    late: Late,
}

/// On which side of the last change the power goes, or that it is not the power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// Before it.
    Before,
    /// After it.
    After,
    /// Before it, and the power stays: nothing can be written any more, and what makes room works.
    Full,
}

impl Fuse {
    /// The power never goes.
    pub(crate) fn never() -> Self {
        Self { left: Rc::new(Cell::new(usize::MAX)), late: Late::Before }
    }

    /// The power goes at the `n`-th change from now, counted from one.
    pub(crate) fn at(n: usize, late: Late) -> Self {
        Self { left: Rc::new(Cell::new(n)), late }
    }

    /// Whether the power is gone, or the disk is full.
    pub(crate) fn is_blown(&self) -> bool {
        self.left.get() == 0
    }

    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        self.late == Late::Full && self.is_blown()
    }

    /// Make a change that needs no room.
    pub(crate) fn shrink<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        if self.late == Late::Full { Some(act()) } else { self.burn(act) }
    }

    /// Make a change, unless the power goes before it; `None` if it goes before or after.
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
