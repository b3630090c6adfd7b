//! Interoperation with standard tools, in both directions.

mod differential;
mod recipe;
mod stock;
mod tools;
