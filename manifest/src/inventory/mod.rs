//! What a node says of itself, written by the installer and read by the bundler.
