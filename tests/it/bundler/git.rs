//! Git repositories as sources, with the real git, including hostile repositories.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use vgpu_tests::programs::Program;

use crate::bundler::sandbox::{Sandbox, bytes, has};

/// A repository in a sandbox.
struct Repo<'s> {
    sandbox: &'s Sandbox,
    name: &'static str,
}

impl<'s> Repo<'s> {
    fn new(sandbox: &'s Sandbox, name: &'static str) -> Self {
        let repo = Self { sandbox, name };
        fs::create_dir_all(sandbox.work(name)).unwrap();
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command("git");
        let dated = ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"];
        for (name, value) in dated.map(|name| (name, "1700000000 +0000")) {
            command.env(name, value);
        }
        command
            .current_dir(self.sandbox.work(self.name))
            .args(["-c", "user.name=a", "-c", "user.email=a@git.example"])
            .args(["-c", "protocol.file.allow=always", "-c", "core.autocrlf=false"])
            .args(args);
        command
    }

    fn git(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Passes bytes to git and returns the object id that it prints.
    fn feed(&self, args: &[&str], bytes: &[u8]) -> String {
        use std::io::Write as _;
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.sandbox.work(self.name).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Commits all files.
    fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=x"]);
        self.head()
    }

    fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }
}

fn tree(fields: &str) -> String {
    format!("[bundle]\nname = 'node'\nchannel = 'stable'\n[[tree]]\nname = 'a.tar.zst'\n{fields}\n")
}

/// Locks a tree and returns the failure.
fn refused(sandbox: &Sandbox, fields: &str) -> String {
    sandbox.write("bundle.toml", &tree(fields));
    let said = sandbox.fails(1, &["lock"]);
    assert!(!sandbox.work("bundle.lock").exists());
    said
}

/// Locks a tree and unpacks it with the stock tools.
fn unpacked(sandbox: &Sandbox, fields: &str) -> std::path::PathBuf {
    sandbox.write("bundle.toml", &tree(fields));
    sandbox.ok(&["lock"]);
    let out = sandbox.work("out");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir(&out).unwrap();
    let tar = zstd::decode_all(&*bytes(sandbox.cached(&sandbox.locked()[0]))).unwrap();
    fs::write(sandbox.work("a.tar"), tar).unwrap();
    let mut command = sandbox.command("tar");
    let status = command.args(["-xf", "a.tar", "-C", "out"]).status().unwrap();
    assert!(status.success());
    out
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_commit_is_packed_as_it_was_committed() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::empty();
    let repo = Repo::new(&sandbox, "repo");
    repo.write("plain", "$Format:%H$ $Id$\n");
    repo.write("dos.txt", "a\nb\n");
    repo.write("src/run.sh", "#!/bin/sh\n");
    repo.write("ignored/me", "x\n");
    // Each of these attributes would change the output of git's own checkout, archive or listing.
    repo.write(
        ".gitattributes",
        "plain export-subst ident\ndos.txt text eol=crlf\nignored export-ignore\n* filter=evil\n",
    );
    let src = sandbox.work("repo/src");
    fs::set_permissions(src.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../plain", src.join("link")).unwrap();
    let commit = repo.commit();

    // A user configuration that would run programs or convert line endings.
    let trace = sandbox.path("trace");
    let evil = format!("touch '{}'; cat", trace.display());
    let hooks = sandbox.path("hooks");
    fs::create_dir(&hooks).unwrap();
    let hook = hooks.join("reference-transaction");
    fs::write(&hook, format!("#!/bin/sh\n{evil}\n")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(
        "[core]\n\tautocrlf = true\n\thooksPath = {hooks}\n\tfsmonitor = \"{evil}\"\n\
         [filter \"evil\"]\n\tclean = \"{evil}\"\n\tsmudge = \"{evil}\"\n\trequired = true\n\
         [uploadpack]\n\tpackObjectsHook = \"{evil}\"\n[fetch]\n\tfsckObjects = false\n",
        hooks = hooks.display(),
    );
    fs::write(sandbox.path("home/.gitconfig"), config).unwrap();

    let fields = format!("git = 'repo'\ncommit = '{commit}'\n");
    let out = unpacked(&sandbox, &fields);
    assert_eq!(fs::read_to_string(out.join("plain")).unwrap(), "$Format:%H$ $Id$\n");
    assert_eq!(bytes(out.join("dos.txt")), b"a\nb\n");
    assert!(out.join("ignored/me").exists() && !out.join(".git").exists());
    assert_eq!(fs::read_link(out.join("src/link")).unwrap(), Path::new("../plain"));
    assert_eq!((mode(&out.join("src/run.sh")), mode(&out.join("plain"))), (0o755, 0o644));
    assert!(!trace.exists(), "a program of the user's configuration has run");

    // The location, the umask and other content of the repository do not matter.
    let digest = sandbox.locked()[0].clone();
    let mut mirror = sandbox.command("git");
    mirror.args(["clone", "--quiet", "--bare", "repo", "mirror.git"]);
    assert!(mirror.status().unwrap().success());
    repo.write("new", "x");
    repo.commit();
    let mirror = sandbox.work("mirror.git").display().to_string();
    for (at, umask) in [(format!("file://{mirror}"), "077"), (mirror, "000")] {
        let there = Sandbox::empty();
        there.write("bundle.toml", &tree(&format!("git = '{at}'\ncommit = '{commit}'")));
        let mut lock = there.command("sh");
        lock.args(["-c", "umask \"$1\"; exec \"$2\" lock", "sh", umask]);
        lock.arg(crate::program(Program::Bundler));
        assert!(lock.status().unwrap().success());
        assert_eq!(there.locked()[0], digest, "{umask}");
    }
    // The manifest records the commit, but no path of the build machine.
    sandbox.ok(&["key", "generate", "--principal", "alice", "--no-passphrase"]);
    sandbox.ok(&["build"]);
    let said = sandbox.ok(&["inspect", "node-1.vgpu.tar", "--json"]).out;
    assert!(said.contains(&commit) && !said.contains("repo\""), "{said}");
}

#[test]
fn a_folder_or_a_file_of_a_commit() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::empty();
    let repo = Repo::new(&sandbox, "repo");
    repo.write("a/b/one", "1");
    repo.write("a/b/two", "2");
    repo.write("ab", "x");
    symlink("ab", sandbox.work("repo/link")).unwrap();
    let commit = repo.commit();
    let at = format!("git = 'repo'\ncommit = '{commit}'\n");
    let out = unpacked(&sandbox, &format!("{at}folder = 'a/b'\nexclude = ['two']"));
    let names: Vec<_> = fs::read_dir(&out).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["one"]);
    fs::remove_file(sandbox.work("bundle.lock")).unwrap();
    let said = refused(&sandbox, &format!("{at}folder = 'a/c'"));
    assert!(said.contains("no folder `a/c` in commit"), "{said}");
    let said = refused(&sandbox, &format!("{at}exclude = ['nothing']"));
    assert!(said.contains("`nothing`, which is to be left out"), "{said}");

    // Local files are looked for first.
    sandbox.write("d", "no driver");
    let head = "[bundle]\nname = 'node'\nchannel = 'stable'\n[[driver]]\nname = 'd'\npath = 'd'\n";
    for (file, word) in [
        ("nothing", "no file `nothing` in commit"),
        ("a/b", "no file `a/b` in commit"),
        ("link", "`link` is a link"),
    ] {
        let text = format!("{head}[[patch]]\nname = 'p'\n{at}file = '{file}'\n");
        sandbox.write("bundle.toml", &text);
        let said = sandbox.fails(1, &["lock"]);
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn what_a_repository_should_not_have_is_refused_by_name() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::empty();
    let repo = Repo::new(&sandbox, "repo");
    repo.write("fine", "x");
    let good = repo.commit();
    let case = |make: &dyn Fn() -> String, word: &str| {
        let commit = make();
        let said = refused(&sandbox, &format!("git = 'repo'\ncommit = '{commit}'"));
        assert!(said.contains(word), "{word}: {said}");
        repo.git(&["reset", "--quiet", "--hard", &good]);
    };
    let link = |target: &'static str| {
        let repo = &repo;
        move || {
            symlink(target, repo.sandbox.work("repo/link")).unwrap();
            repo.commit()
        }
    };
    case(&link("/etc/passwd"), "`link` to `/etc/passwd` is absolute");
    case(&link("../../x"), "leads out of the folder");
    let file = |name: &'static str| {
        let repo = &repo;
        move || {
            repo.write(name, "x");
            repo.commit()
        }
    };
    case(&file("a\nb"), "a\\nb` has control characters");
    case(&file("a\\b"), "has a backslash");

    // An optional submodule.
    let module = format!("160000,{good},sub");
    repo.git(&["update-index", "--add", "--cacheinfo", &module]);
    repo.git(&["commit", "--quiet", "--message=x"]);
    let commit = repo.head();
    let said = refused(&sandbox, &format!("git = 'repo'\ncommit = '{commit}'"));
    assert!(said.contains("`sub` is a submodule"), "{said}");
    let out = unpacked(&sandbox, &format!("git = 'repo'\ncommit = '{commit}'\nexclude = ['sub']"));
    assert!(out.join("fine").exists() && !out.join("sub").exists());
    fs::remove_file(sandbox.work("bundle.lock")).unwrap();

    // Trees that git would not create, and that some programs would unpack outside the target. Git
    // itself rejects them.
    let blob = repo.git(&["rev-parse", &format!("{good}:fine")]);
    let raw: Vec<u8> =
        (0..20).map(|at| u8::from_str_radix(&blob[2 * at..2 * at + 2], 16).unwrap()).collect();
    for name in ["..", ".git", "a/b"] {
        let mut bytes = format!("100644 {name}\0").into_bytes();
        bytes.extend(&raw);
        let args = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
        let tree = repo.feed(&args, &bytes);
        let commit = repo.git(&["commit-tree", &tree, "-m", "x"]);
        repo.git(&["update-ref", "refs/heads/evil", &commit]);
        let said = refused(&sandbox, &format!("git = 'repo'\ncommit = '{commit}'"));
        assert!(said.contains("git cannot fetch") || said.contains("leads elsewhere"), "{said}");
    }
}

#[test]
fn branches_and_tags_are_looked_up_once() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::empty();
    let repo = Repo::new(&sandbox, "repo");
    repo.write("a", "1");
    let first = repo.commit();
    repo.git(&["tag", "plain"]);
    repo.git(&["tag", "-a", "-m", "x", "v1"]);
    // A branch with the same name as the tag, at another commit.
    repo.write("a", "2");
    let second = repo.commit();
    repo.git(&["branch", "v1"]);
    let locked = |fields: &str| {
        sandbox.write("bundle.toml", &tree(&format!("git = 'repo'\n{fields}")));
        sandbox.ok(&["lock"]);
        sandbox.read("bundle.lock")
    };
    assert!(locked("tag = 'v1'").contains(&first));
    assert!(locked("tag = 'plain'").contains(&first));
    assert!(locked("branch = 'v1'").contains(&second));
    assert!(locked("branch = 'main'").contains(&second));
    let digest = sandbox.locked()[0].clone();

    // The branch moves; the lock keeps the old commit until `update`.
    repo.write("a", "3");
    let third = repo.commit();
    assert!(sandbox.ok(&["lock"]).err.contains("up to date"));
    assert!(sandbox.read("bundle.lock").contains(&second));
    sandbox.ok(&["fetch"]);
    let said = sandbox.ok(&["update"]).err;
    assert!(
        said.contains(&format!("{} → ", &second[..12])) || said.contains(&third[..12]),
        "{said}"
    );
    assert!(sandbox.read("bundle.lock").contains(&third));
    assert_ne!(sandbox.locked()[0], digest);

    let _ = fs::remove_file(sandbox.work("bundle.lock"));
    let said = refused(&sandbox, "git = 'repo'\nbranch = 'nothing'");
    assert!(said.contains("repo has no branch `nothing`"), "{said}");
    let said = refused(&sandbox, "git = 'repo'\ntag = 'main'");
    assert!(said.contains("repo has no tag `main`"), "{said}");
    let said = refused(&sandbox, "git = 'elsewhere'\ntag = 'main'");
    assert!(said.contains("git cannot list elsewhere"), "{said}");
    // The id of a tag, of a tree, and of no object.
    for (what, word) in [
        (repo.git(&["rev-parse", "refs/tags/v1"]), "is a tag and not a commit"),
        (repo.git(&["rev-parse", "HEAD^{tree}"]), "is a tree and not a commit"),
        ("1".repeat(40), "has no commit 1111"),
        ("1".repeat(64), "git cannot fetch"),
    ] {
        let said = refused(&sandbox, &format!("git = 'repo'\ncommit = '{what}'"));
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn servers_that_give_little_and_caches_that_were_cut_off() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::empty();
    let repo = Repo::new(&sandbox, "repo");
    for n in 0..3 {
        repo.write("a", format!("{n}"));
        repo.commit();
    }
    let middle = repo.git(&["rev-parse", "HEAD~1"]);
    let fields = |at: &str| format!("git = '{at}'\ncommit = '{middle}'");
    // An old protocol version, in which a server sends only objects that a branch or tag names.
    let config = "[protocol]\n\tversion = 0\n";
    fs::write(sandbox.path("home/.gitconfig"), config).unwrap();
    let out = unpacked(&sandbox, &fields("repo"));
    assert_eq!(fs::read_to_string(out.join("a")).unwrap(), "1");
    fs::remove_file(sandbox.path("home/.gitconfig")).unwrap();

    // A shallow repository.
    let address = format!("file://{}", sandbox.work("repo").display());
    let mut clone = sandbox.command("git");
    clone.args(["clone", "--quiet", "--depth=2", &address, "shallow"]);
    assert!(clone.status().unwrap().success());
    let digest = sandbox.locked()[0].clone();
    unpacked(&sandbox, &fields("shallow"));
    assert_eq!(sandbox.locked()[0], digest);

    // Leftovers of a killed run in the cache: lock files, and a folder that is not a repository.
    let cached = sandbox.path("home/.cache/vgpu-offline/git");
    let bare = |n: usize| fs::read_dir(&cached).unwrap().nth(n).unwrap().unwrap().path();
    let forget = || {
        for sha in sandbox.locked() {
            let _ = fs::remove_file(sandbox.cached(&sha));
        }
    };
    for n in 0..2 {
        fs::write(bare(n).join("shallow.lock"), "").unwrap();
        fs::write(bare(n).join("packed-refs.lock"), "").unwrap();
        let _ = fs::remove_dir_all(bare(n).join("refs/kept"));
        fs::write(bare(n).join("packed-refs"), "").unwrap();
    }
    forget();
    sandbox.ok(&["fetch"]);
    for n in 0..2 {
        fs::write(bare(n).join("HEAD"), "nonsense").unwrap();
    }
    forget();
    sandbox.ok(&["fetch"]);
    // From here on the cache suffices, without the repositories.
    for name in ["repo", "shallow"] {
        fs::rename(sandbox.work(name), sandbox.path(name)).unwrap();
    }
    forget();
    sandbox.ok(&["fetch", "--offline"]);
    sandbox.ok(&["cache", "gc", "--unused-for", "0"]);
    assert_eq!(fs::read_dir(&cached).unwrap().count(), 0);
}

#[test]
fn trees_that_shrink_come_again() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::empty();
    let recipe = "[bundle]\nname = 'node'\nchannel = 'stable'\n";
    let repo = Repo::new(&sandbox, "repo");
    // It compresses to about one percent.
    let text = "the same line, over and over, as in any source\n".repeat(40_000);
    for n in 0..4 {
        repo.write(&format!("{n}/text"), format!("{n}{text}"));
    }
    let commit = repo.commit();
    let trees = [0, 1, 2, 3].map(|n| {
        format!(
            "[[tree]]\nname = '{n}.tar.zst'\ngit = 'repo'\ncommit = '{commit}'\nfolder = '{n}'\n"
        )
    });
    sandbox.write("bundle.toml", &format!("{recipe}{}", trees.concat()));
    sandbox.ok(&["lock"]);
    for sha in sandbox.locked() {
        fs::remove_file(sandbox.cached(&sha)).unwrap();
    }
    sandbox.ok(&["fetch"]);
}

#[test]
fn a_file_that_is_too_large_is_not_even_read() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::empty();
    let repo = Repo::new(&sandbox, "repo");
    // 70 MiB of zeros as a patch; the limit for patches is 64 MiB.
    let huge = fs::File::create(sandbox.work("repo/huge.patch")).unwrap();
    huge.set_len(70 << 20).unwrap();
    let commit = repo.commit();
    sandbox.write(
        "bundle.toml",
        &format!(
            "[bundle]\nname = 'node'\nchannel = 'stable'\n[[driver]]\nname = 'd'\npath = 'd'\n\
             [[patch]]\nname = 'p'\ngit = 'repo'\ncommit = '{commit}'\nfile = 'huge.patch'\n"
        ),
    );
    sandbox.write("d", "x");
    let said = sandbox.fails(1, &["lock"]);
    assert!(said.contains("`huge.patch` has 70.0 MiB, more than the"), "{said}");
}

#[test]
fn offline_runs_send_no_request_and_secrets_are_not_repeated() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::empty();
    let commit = "1".repeat(40);
    let at = |url: &str| format!("git = '{url}'\ncommit = '{commit}'");
    sandbox.write("bundle.toml", &tree(&at("https://git.invalid/a")));
    let said = sandbox.fails(1, &["lock", "--offline"]);
    assert!(said.contains("`--offline` forbids fetching it"), "{said}");
    let said = refused(&sandbox, &at("https://bob:secret@git.invalid/a"));
    assert!(said.contains("password must not stand in it") && !said.contains("secret"), "{said}");
    // A user's own `url.*.insteadOf` rewriting, as many build machines have it.
    let config = "[url \"http://bob:secret@127.0.0.1:9/\"]\n\tinsteadOf = https://git.invalid/\n";
    fs::write(sandbox.path("home/.gitconfig"), config).unwrap();
    let said = refused(&sandbox, &at("https://git.invalid/a"));
    assert!(said.contains("git cannot fetch") && !said.contains("secret"), "{said}");
}
