//! The bundler end to end: started as a process, in an isolated environment.

mod apt;
mod cache;
mod catalog;
mod evidence;
mod examples;
mod git;
mod image;
mod init;
mod json;
mod lies;
mod lifecycle;
mod network;
mod policy;
mod progress;
mod prove;
mod proxies;
mod refusals;
mod reproducible;
pub(crate) mod sandbox;
mod signing;
mod unlock;
mod write;
