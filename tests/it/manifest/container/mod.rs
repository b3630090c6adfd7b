//! The container format through its public interface: the reader accepts only the writer's output.

mod bytes;
mod delta;
mod fixture;
mod frame;
mod parts;
mod sizes;
