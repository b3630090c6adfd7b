//! Who may speak for a bundle.
