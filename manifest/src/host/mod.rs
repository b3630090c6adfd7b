//! A host: the types for its properties, and the inventory that describes one.

pub mod inventory;
pub mod mapping;
pub mod platform;
