//! Black-box suites, and what they share.
