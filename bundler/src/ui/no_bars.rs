//! The part of `indicatif` that [`super`] uses, in a build without the feature `bars`: it counts and
//! draws nothing.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct MultiProgress;

#[derive(Debug)]
pub(super) struct ProgressDrawTarget;

#[derive(Debug)]
pub(super) struct ProgressStyle;

/// A position and a length; the length `u64::MAX` is unknown.
#[derive(Debug)]
pub(super) struct ProgressBar {
    position: AtomicU64,
    length: AtomicU64,
}

impl MultiProgress {
    pub(super) fn with_draw_target(_: ProgressDrawTarget) -> Self {
        Self
    }

    pub(super) fn add(&self, bar: ProgressBar) -> ProgressBar {
        bar
    }

    pub(super) fn insert_before(&self, _: &ProgressBar, bar: ProgressBar) -> ProgressBar {
        bar
    }

    pub(super) fn suspend(&self, act: impl FnOnce()) {
        act();
    }
}

impl ProgressDrawTarget {
    pub(super) fn stderr() -> Self {
        Self
    }

    pub(super) fn hidden() -> Self {
        Self
    }
}

impl ProgressStyle {
    pub(super) fn with_template(_: &str) -> Result<Self, Infallible> {
        Ok(Self)
    }

    pub(super) fn default_bar() -> Self {
        Self
    }

    pub(super) fn progress_chars(self, _: &str) -> Self {
        self
    }
}

impl ProgressBar {
    pub(super) fn new(length: u64) -> Self {
        Self { position: AtomicU64::new(0), length: AtomicU64::new(length) }
    }

    pub(super) fn no_length() -> Self {
        Self::new(u64::MAX)
    }

    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    pub(super) fn set_position(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    pub(super) fn inc(&self, bytes: u64) {
        self.position.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn length(&self) -> Option<u64> {
        Some(self.length.load(Ordering::Relaxed)).filter(|length| *length != u64::MAX)
    }

    pub(super) fn set_length(&self, length: u64) {
        self.length.store(length, Ordering::Relaxed);
    }

    pub(super) fn set_style(&self, _: ProgressStyle) {}

    pub(super) fn set_prefix(&self, _: impl Into<String>) {}

    pub(super) fn set_message(&self, _: impl Into<String>) {}

    pub(super) fn tick(&self) {}

    pub(super) fn reset_eta(&self) {}

    pub(super) fn finish_and_clear(&self) {}
}
