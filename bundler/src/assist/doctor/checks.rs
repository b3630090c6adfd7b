//! Comparison of this machine with the needs of a recipe: a pure function.

use vgpu_manifest::ui::ByteSize;

use super::laptop::{KeyState, Laptop, Place};
use super::needs::{Need, Needs};
use super::{Finding, State};
use crate::apt::INSTALL_GPGV;
use crate::items::unlock::INSTALL_ZIG;

/// 2025-01-01, before the first version of this program.
const EARLIEST: u64 = 1_735_689_600;

/// The free bytes for an unknown recipe: a driver, a toolchain and an image.
const ROOMY: u64 = 8 << 30;

/// Returns all checks, the worst first within each subject.
pub(crate) fn examine(laptop: &Laptop, needs: Needs) -> Vec<Finding> {
    let mut findings = vec![
        room("cache", &laptop.cache, needs.bytes.unwrap_or(ROOMY), "everything that is fetched"),
        room("output", &laptop.output, needs.bytes.unwrap_or(0), "the bundle"),
        clock(laptop, needs),
        signing(laptop),
        signers(laptop),
    ];
    if needs.network != Some(Need::No) {
        findings.push(certificates(laptop));
        findings.extend(laptop.proxies.iter().map(proxy));
    }
    if needs.git != Some(Need::No) {
        let hint = "install `git`";
        findings.push(program("git", laptop.git.as_ref(), needs.git, "repositories", hint));
    }
    if needs.cargo != Some(Need::No) {
        findings.push(compiler(laptop, needs));
    }
    if needs.archives != Some(Need::No) {
        let found = laptop.verifier.as_ref();
        let needed_for = "signatures of package archives";
        findings.push(program("gpgv", found, needs.archives, needed_for, INSTALL_GPGV));
    }
    if needs.mega != Some(Need::No) {
        let hint =
            "install the package `megatools`, or download the file manually and set its `path`";
        findings.push(program("megadl", laptop.megadl.as_ref(), needs.mega, "links to mega", hint));
    }
    findings
}

fn finding(what: &'static str, state: State, says: String, needed_for: &'static str) -> Finding {
    Finding { what, state, says, needed_for, hint: None }
}

impl Finding {
    fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }
}

fn room(what: &'static str, place: &Place, needed: u64, needed_for: &'static str) -> Finding {
    let path = &place.path;
    let free = match &place.free {
        Ok(free) => *free,
        Err(why) => {
            let says = format!("nothing can be written to `{path}`: {why}");
            let hint = if what == "cache" { "name another with `--cache`" } else { "go elsewhere" };
            return finding(what, State::Missing, says, needed_for).hint(hint);
        }
    };
    let size = ByteSize::new;
    let says = format!("`{path}` has {} free", size(free));
    if free >= needed {
        return finding(what, State::Good, says, needed_for);
    }
    let says = format!("{says}, and {} are needed", size(needed));
    let state = if needed == ROOMY { State::Doubtful } else { State::Missing };
    finding(what, state, says, needed_for).hint("`vgpu-bundler cache gc` frees what is not used")
}

fn clock(laptop: &Laptop, needs: Needs) -> Finding {
    let needed_for = "certificates, and the date of the bundle";
    // The clock of the machine that wrote the lock may be a little ahead.
    let earliest =
        needs.locked.map_or(EARLIEST, |locked| EARLIEST.max(locked.saturating_sub(86_400)));
    if laptop.now >= earliest {
        return finding("clock", State::Good, "it can be right".to_owned(), needed_for);
    }
    let says = "it is wrong: it shows a time before this program or the lock was made".to_owned();
    finding("clock", State::Missing, says, needed_for).hint("set it, by hand if need be")
}

fn signing(laptop: &Laptop) -> Finding {
    let needed_for = "`build` and `sign`";
    let in_agent = match &laptop.agent {
        Ok(0) | Err(_) => String::new(),
        Ok(count) => format!("; {count} in the ssh-agent"),
    };
    match &laptop.key {
        KeyState::Good(path) => {
            finding("key", State::Good, format!("`{path}`{in_agent}"), needed_for)
        }
        KeyState::Open(path) => {
            let says = format!("others can read `{path}`");
            let hint = "run `chmod 600` on it; if it may have been read, make a new key and revoke this one";
            finding("key", State::Doubtful, says, needed_for).hint(hint)
        }
        KeyState::NotThere(_) if laptop.agent.as_ref().is_ok_and(|&count| count > 0) => {
            let says = format!("no file{in_agent}: name one with `--agent`");
            finding("key", State::Good, says, needed_for)
        }
        KeyState::NotThere(path) => {
            let agent = match &laptop.agent {
                Ok(_) => "the ssh-agent is empty".to_owned(),
                Err(why) => format!("ssh-agent: {why}"),
            };
            let says = format!("there is no `{path}`; {agent}");
            let hint = "run `vgpu-bundler key generate`, or `ssh-add` an Ed25519 key";
            finding("key", State::Missing, says, needed_for).hint(hint)
        }
    }
}

fn signers(laptop: &Laptop) -> Finding {
    let needed_for = "`verify`, `inspect`, `diff` and `write`";
    match &laptop.signers {
        Ok(count) => {
            let says = format!("{count} may sign");
            finding("allowed signers", State::Good, says, needed_for)
        }
        Err(why) => finding("allowed signers", State::Doubtful, why.clone(), needed_for)
            .hint("`vgpu-bundler key generate` adds your own key"),
    }
}

fn certificates(laptop: &Laptop) -> Finding {
    let needed_for = "downloads over HTTPS";
    match laptop.certificates {
        0 => finding("certificates", State::Missing, "none are trusted".to_owned(), needed_for)
            .hint("install your distribution's `ca-certificates`"),
        count => finding("certificates", State::Good, format!("{count} are trusted"), needed_for),
    }
}

fn proxy(proxy: &Result<String, String>) -> Finding {
    let needed_for = "downloads";
    match proxy {
        Ok(says) => finding("proxy", State::Good, says.clone(), needed_for),
        Err(says) => finding("proxy", State::Missing, says.clone(), needed_for)
            .hint("write it as `http://HOST:PORT`, or unset it"),
    }
}

/// Checks for a program.
fn program(
    what: &'static str,
    says: Option<&String>,
    need: Option<Need>,
    needed_for: &'static str,
    hint: &str,
) -> Finding {
    let absent = if need == Some(Need::Yes) { State::Missing } else { State::Absent };
    match says {
        Some(says) => finding(what, State::Good, says.clone(), needed_for),
        None => finding(what, absent, "it is not there".to_owned(), needed_for).hint(hint),
    }
}

/// Checks for the tools that download the crates of an unlock library and build it.
fn compiler(laptop: &Laptop, needs: Needs) -> Finding {
    let needed_for = "unlock libraries";
    let toolchain = match &laptop.toolchain {
        Ok(toolchain) => toolchain,
        Err(lacking) => {
            let absent =
                if needs.cargo == Some(Need::Yes) { State::Missing } else { State::Absent };
            return finding("compiler", absent, lacking.to_string(), needed_for)
                .hint("cargo gets the crates, even if the node builds the library");
        }
    };
    if toolchain.zig.is_some() || needs.compiler == Some(Need::No) {
        return finding("compiler", State::Good, toolchain.to_string(), needed_for);
    }
    let says = format!("{toolchain}: for hosts whose glibc is as new as this machine's");
    let state = if needs.compiler == Some(Need::Yes) { State::Doubtful } else { State::Absent };
    finding("compiler", state, says, needed_for).hint(INSTALL_ZIG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::unlock::Lacking;
    use crate::types::Toolchain;

    fn laptop() -> Laptop {
        let place = |path: &str| Place { path: path.into(), free: Ok(100 << 30) };
        let says = |text: &str| Some(text.to_owned());
        Laptop {
            cache: place("/cache"),
            output: place("."),
            now: 1_800_000_000,
            key: KeyState::Good("/key".into()),
            agent: Err("there is none".to_owned()),
            signers: Ok(1),
            certificates: 140,
            proxies: Vec::new(),
            git: says("git version 2.39.5"),
            megadl: says("megadl 1.11.1"),
            verifier: says("gpgv (GnuPG) 2.2.40"),
            toolchain: Ok(toolchain(says("cargo-zigbuild 0.20 with zig 0.13.0"))),
        }
    }

    fn toolchain(zig: Option<String>) -> Toolchain {
        Toolchain { rustc: "rustc 1.95.0".to_owned(), zig }
    }

    const ALL: Needs = Needs {
        network: Some(Need::Yes),
        git: Some(Need::Yes),
        cargo: Some(Need::Yes),
        compiler: Some(Need::Yes),
        mega: Some(Need::Yes),
        archives: Some(Need::Yes),
        bytes: Some(5 << 30),
        locked: Some(1_790_000_000),
    };

    fn bad(laptop: &Laptop, needs: Needs) -> Vec<(&'static str, State)> {
        let findings = examine(laptop, needs);
        let bad = findings.iter().filter(|it| it.state != State::Good);
        bad.map(|it| {
            assert!(it.hint.is_some(), "{it:?}");
            (it.what, it.state)
        })
        .collect()
    }

    #[test]
    fn a_good_laptop_has_all() {
        assert_eq!(bad(&laptop(), ALL), []);
        assert_eq!(bad(&laptop(), Needs::default()), []);
    }

    #[test]
    fn each_lack_is_named() {
        let check = |change: &dyn Fn(&mut Laptop), expected: (&'static str, State)| {
            let mut laptop = laptop();
            change(&mut laptop);
            assert_eq!(bad(&laptop, ALL), [expected]);
        };
        let full = |what: &str| Place { path: what.into(), free: Ok(1 << 30) };
        let closed = || Place { path: "x".into(), free: Err("read-only".to_owned()) };
        check(&|it| it.cache = full("/cache"), ("cache", State::Missing));
        check(&|it| it.cache = closed(), ("cache", State::Missing));
        check(&|it| it.output = full("."), ("output", State::Missing));
        check(&|it| it.now = 86_400, ("clock", State::Missing));
        check(&|it| it.now = 1_780_000_000, ("clock", State::Missing));
        check(&|it| it.key = KeyState::Open("/key".into()), ("key", State::Doubtful));
        check(&|it| it.key = KeyState::NotThere("/key".into()), ("key", State::Missing));
        check(&|it| it.signers = Err("none".to_owned()), ("allowed signers", State::Doubtful));
        check(&|it| it.certificates = 0, ("certificates", State::Missing));
        check(&|it| it.proxies = vec![Err("bad".to_owned())], ("proxy", State::Missing));
        check(&|it| it.git = None, ("git", State::Missing));
        check(&|it| it.toolchain = Err(Lacking::Cargo), ("compiler", State::Missing));
        check(&|it| it.toolchain = Ok(toolchain(None)), ("compiler", State::Doubtful));
        check(&|it| it.megadl = None, ("megadl", State::Missing));
        check(&|it| it.verifier = None, ("gpgv", State::Missing));
    }

    #[test]
    fn a_recipe_is_given_only_what_it_needs() {
        let bare = Laptop {
            certificates: 0,
            git: None,
            megadl: None,
            verifier: None,
            toolchain: Err(Lacking::Rustc),
            proxies: vec![Err("bad".to_owned())],
            ..laptop()
        };
        let no = Some(Need::No);
        let nothing =
            Needs { network: no, git: no, cargo: no, compiler: no, mega: no, archives: no, ..ALL };
        assert_eq!(bad(&bare, nothing), []);
        // Crates are downloaded even if the node builds the library.
        let crates = Needs { cargo: Some(Need::Yes), ..nothing };
        assert_eq!(bad(&bare, crates), [("compiler", State::Missing)]);
        let plain = Laptop { toolchain: Ok(toolchain(None)), ..laptop() };
        assert_eq!(bad(&plain, crates), []);
        // Without a recipe, a missing tool may not be needed.
        let unknown = bad(&bare, Needs::default());
        let absent = ["git", "compiler", "gpgv", "megadl"].map(|what| (what, State::Absent));
        assert!(absent.iter().all(|it| unknown.contains(it)), "{unknown:?}");
    }

    #[test]
    fn a_key_in_the_agent_is_enough() {
        let agent = Laptop { key: KeyState::NotThere("/key".into()), agent: Ok(1), ..laptop() };
        assert_eq!(bad(&agent, ALL), []);
        let empty = Laptop { agent: Ok(0), ..agent };
        assert_eq!(bad(&empty, ALL), [("key", State::Missing)]);
    }
}
