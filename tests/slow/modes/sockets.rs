//! The sockets in a trace of strace.

use std::collections::BTreeSet;

/// A socket that a program opened or used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Socket {
    pub(super) program: String,
    /// The family: `AF_INET`.
    pub(super) family: String,
}

/// Returns the families of all sockets that programs opened, connected or bound, in lines such as
/// `12<apt-get> socket(AF_UNIX, SOCK_STREAM, 0) = 3` and
/// `12<apt-get> connect(3, {sa_family=AF_INET, sin_port=htons(80), …}, 16) = 0`.
pub(super) fn sockets(trace: &str) -> BTreeSet<Socket> {
    trace.lines().filter_map(socket).collect()
}

fn socket(line: &str) -> Option<Socket> {
    let (who, call) = line.split_once("> ")?;
    let program = who.split_once('<')?.1.to_owned();
    let start = call.find("AF_").or_else(|| call.find("PF_"))?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let family: String = call[start..].chars().take_while(|c| word(*c)).collect();
    Some(Socket { program, family })
}

#[test]
fn a_trace_tells_programs_and_families() {
    let trace = "\
12<apt-get> socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3
12<apt-get> connect(3, {sa_family=AF_UNIX, sun_path=\"/run/x\"}, 110) = -1 ENOENT (No such file)
13<http> socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP) = 4
14<nc> sendto(3, \"x\", 1, 0, {sa_family=AF_INET, sin_port=htons(53)}, 16) = 1
15<sh> +++ exited with 0 +++";
    let found: Vec<_> = sockets(trace).into_iter().map(|it| (it.program, it.family)).collect();
    let expected = [("apt-get", "AF_UNIX"), ("http", "AF_INET6"), ("nc", "AF_INET")];
    assert_eq!(found, expected.map(|(one, two)| (one.to_owned(), two.to_owned())));
}
