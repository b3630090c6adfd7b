//! The solver against rules, against trying everything, and against apt.

mod apt;
mod archive;
mod force;
mod golden;

mod rules;
mod small;
