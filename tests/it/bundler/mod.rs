//! The program as its users meet it: started as a process, in an environment of its own.

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
