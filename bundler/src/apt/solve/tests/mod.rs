//! Tests of the solver by rules, by exhaustive search, and against apt.

mod apt;
mod archive;
mod force;
mod golden;

mod rules;
mod small;
