//! The program as its users meet it: started as a process, in an environment of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "../support/liar.rs"]
mod liar;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/repository.rs"]
mod repository;
#[path = "../support/shelf.rs"]
mod shelf;
#[path = "../support/terminal.rs"]
mod terminal;

mod apt;
mod cache;
mod catalog;
mod evidence;
mod git;
mod image;
mod init;
mod json;
mod lies;
mod lifecycle;
mod network;
mod progress;
mod proxies;
mod refusals;
mod reproducible;
mod sandbox;
mod signing;
mod unlock;
mod write;
