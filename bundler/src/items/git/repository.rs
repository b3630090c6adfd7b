//! Bare repositories in the cache, with the fetched commits of other repositories.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use anyhow::{Context as _, anyhow, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::Digest;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::CommitId;

use super::Blobs;
use super::error::{PIPE, Refused};
use super::list::{self, Entry};
use super::program::{Config, Git, start};
use super::watch::Watched;
use crate::cache::CacheLock;
use crate::types::GitUrl;
use crate::types::git::Named;

/// Whether the network may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Network,
    /// Only this machine.
    Here,
}

/// A repository and its copy in the cache.
#[derive(Debug)]
pub(crate) struct Repository<'r> {
    url: &'r GitUrl,
    /// The address on the git command line.
    address: String,
    /// The folder of repositories in the cache.
    folder: Utf8PathBuf,
    reach: Reach,
    /// Serializes fetches: git has locks of its own, but fails instead of waiting.
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

/// The most bytes of a fetch.
const MAX_FETCH: ByteSize = ByteSize::new(4 << 30);

/// The most files of a commit: more than the Linux kernel has.
const MAX_FILES: usize = 200_000;

/// The hash function of the object ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Sha1,
    Sha256,
}

impl Format {
    fn of(id: &CommitId) -> Self {
        if id.as_str().len() == 64 { Self::Sha256 } else { Self::Sha1 }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

impl<'r> Repository<'r> {
    /// Returns the repository at `url`. Relative paths start at `base`.
    pub(crate) fn new(
        url: &'r GitUrl,
        base: &Utf8Path,
        cache: &CacheLock<'_>,
        reach: Reach,
    ) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (address, folder) = (url.for_git(base), cache.cache().git());
        Self { url, address, folder, reach, _alone: alone }
    }

    /// Resolves a name to its current commit.
    pub(crate) fn resolve(&self, name: &Named) -> anyhow::Result<CommitId> {
        self.check_reach(&name.to_string())?;
        match name {
            Named::Branch(branch) => self.remote(name, &format!("refs/heads/{}", branch.as_str())),
            Named::Tag(tag) => self.remote(name, &format!("refs/tags/{}", tag.as_str())),
            Named::Short(short) => self.complete(short.as_str()),
        }
    }

    /// Returns the commit of a reference of the repository; tags are peeled.
    fn remote(&self, name: &Named, reference: &str) -> anyhow::Result<CommitId> {
        let peeled = format!("{reference}^{{}}");
        let args = ["ls-remote", "--quiet", "--", &self.address, reference, &peeled];
        let answer =
            Git::default().with(self.config()).ask(&format!("list {}", self.url), &args)?;
        let answer = String::from_utf8_lossy(&answer);
        let find = |wanted: &str| {
            let line = answer.lines().filter_map(|line| line.split_once('\t'));
            line.filter(|(_, name)| *name == wanted).find_map(|(id, _)| id.parse().ok())
        };
        let no_such = || anyhow!("{} has no {name}", self.url);
        find(&peeled).or_else(|| find(reference)).ok_or_else(no_such)
    }

    /// Returns the commit with an abbreviated id. This fetches the whole history.
    fn complete(&self, short: &str) -> anyhow::Result<CommitId> {
        let bare = self.open(Format::Sha1)?;
        self.fetch_all(&bare, &|_| {})?;
        let no_such = || anyhow!("{} has no commit {short}…", self.url);
        let args = ["rev-parse", "--verify", "--quiet", &format!("{short}^{{commit}}")];
        let answer = Git::at(&bare).ask("complete the id", &args).map_err(|_| no_such())?;
        let commit = String::from_utf8_lossy(&answer).trim().parse::<CommitId>();
        commit.ok().filter(|commit| commit.as_str().starts_with(short)).ok_or_else(no_such)
    }

    /// Fetches `commit` if it is not in the cache, and returns its files.
    pub(crate) fn list(
        &self,
        commit: &CommitId,
        progress: &dyn Fn(u64),
    ) -> anyhow::Result<Vec<Entry>> {
        let bare = self.open(Format::of(commit))?;
        let kept = format!("refs/kept/{commit}");
        let has = ["rev-parse", "--verify", "--quiet", &kept];
        if Git::at(&bare).ask("look", &has).is_err() {
            self.check_reach(&commit.as_str()[..12])?;
            self.fetch(&bare, commit, &kept, progress)?;
        }
        files(&bare, commit)
    }

    /// Returns a reader for files that were [listed](Self::list).
    pub(crate) fn blobs(&self, commit: &CommitId) -> anyhow::Result<Blobs> {
        Blobs::start(&self.bare(Format::of(commit)))
    }

    fn config(&self) -> Config {
        if self.url.is_remote() { Config::User } else { Config::None }
    }

    fn check_reach(&self, commit: &str) -> anyhow::Result<()> {
        ensure!(
            self.reach == Reach::Network || !self.url.is_remote(),
            "commit {commit} of {} is not in the cache, and `--offline` forbids fetching it",
            self.url
        );
        Ok(())
    }

    /// Fetches one commit, without history if the server allows it, and checks its type.
    fn fetch(
        &self,
        bare: &Utf8Path,
        commit: &CommitId,
        kept: &str,
        progress: &dyn Fn(u64),
    ) -> anyhow::Result<()> {
        let wanted = format!("+{commit}:{kept}");
        let alone = self.run_fetch(bare, &["--depth=1", "--", &self.address, &wanted], progress);
        if alone.as_ref().is_err_and(anyhow::Error::is::<Refused>) {
            // Old servers serve only commits with a branch or tag.
            self.fetch_all(bare, progress)?;
            self.check_kind(bare, commit)?;
            let keep = ["update-ref", kept, commit.as_str()];
            Git::at(bare).ask("keep a commit", &keep)?;
            return Ok(());
        }
        alone?;
        let checked = self.check_kind(bare, commit);
        if checked.is_err() {
            Git::at(bare).ask("forget a commit", &["update-ref", "-d", kept])?;
        }
        checked
    }

    /// Fetches all branches and tags with their history.
    fn fetch_all(&self, bare: &Utf8Path, progress: &dyn Fn(u64)) -> anyhow::Result<()> {
        let all = ["+refs/heads/*:refs/from/heads/*", "+refs/tags/*:refs/from/tags/*"];
        // Unlimited depth, because an earlier fetch may have been shallow.
        let args = ["--depth=2147483647", "--prune", "--", &self.address, all[0], all[1]];
        match self.run_fetch(bare, &args, progress) {
            // Some servers do not support depths; then the copy is not shallow either.
            Err(error) if error.is::<Refused>() => self.run_fetch(bare, &args[1..], progress),
            other => other,
        }
    }

    fn run_fetch(
        &self,
        bare: &Utf8Path,
        args: &[&str],
        progress: &dyn Fn(u64),
    ) -> anyhow::Result<()> {
        let mut all =
            vec!["fetch", "--progress", "--no-tags", "--no-recurse-submodules", "--force"];
        all.push("--no-write-fetch-head");
        all.extend(args);
        let watched = Watched { folder: &bare.join("objects"), cap: MAX_FETCH, progress };
        let git = Git::at(bare).with(self.config());
        git.watched(&format!("fetch from {}", self.url), &all, watched)
    }

    fn check_kind(&self, bare: &Utf8Path, commit: &CommitId) -> anyhow::Result<()> {
        let kind = Git::at(bare).ask("look", &["cat-file", "-t", commit.as_str()]);
        let Ok(kind) = kind else {
            bail!("{} has no commit {commit}", self.url);
        };
        let kind = String::from_utf8_lossy(&kind).trim().escape_debug().to_string();
        ensure!(kind == "commit", "{commit} of {} is a {kind} and not a commit", self.url);
        Ok(())
    }

    fn bare(&self, format: Format) -> Utf8PathBuf {
        let name = Digest::of(self.address.as_bytes()).to_string();
        self.folder.join(format!("{}-{}.git", &name[..32], format.as_str()))
    }

    /// Returns the bare repository in the cache, and creates it if it is missing or damaged.
    fn open(&self, format: Format) -> anyhow::Result<Utf8PathBuf> {
        let bare = self.bare(format);
        let unusable = || format!("cannot use `{bare}` in the cache");
        sweep(&bare).with_context(unusable)?;
        let sound = Git::at(&bare).ask("look", &["rev-parse", "--is-bare-repository"]);
        if !sound.is_ok_and(|answer| answer == b"true\n") {
            let new = self.folder.join("new.git");
            for old in [&new, &bare] {
                remove(old).with_context(unusable)?;
            }
            fs::create_dir_all(&self.folder).with_context(unusable)?;
            let format = format!("--object-format={}", format.as_str());
            let args = ["init", "--quiet", "--bare", "--template=", &format, new.as_str()];
            Git::default().ask("make a repository", &args)?;
            fs::rename(&new, &bare).with_context(unusable)?;
        }
        // `cache gc` reads the time of the last use here.
        let used = fs::File::options().write(true).open(bare.join("HEAD"));
        used.and_then(|file| file.set_modified(SystemTime::now())).with_context(unusable)?;
        Ok(bare)
    }
}

/// Removes the locks of a killed run. The cache lock excludes other runs.
fn sweep(folder: &Utf8Path) -> io::Result<()> {
    let entries = match folder.read_dir_utf8() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "objects" {
                sweep(entry.path())?;
            }
        } else if entry.path().extension() == Some("lock") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn remove(folder: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns all files of a commit, in the order of git.
fn files(bare: &Utf8Path, commit: &CommitId) -> anyhow::Result<Vec<Entry>> {
    let args = ["ls-tree", "-r", "-z", "--long", "--full-tree", commit.as_str()];
    let mut command = Git::at(bare).command(&args);
    command.stderr(std::process::Stdio::null());
    let mut child = start(command)?;
    let mut entries = Vec::new();
    let mut read = || {
        let Some(stdout) = child.stdout.take() else { return anyhow::Ok(()) };
        for line in BufReader::new(stdout).split(0) {
            entries.push(list::entry(&line.context(PIPE)?)?);
            if entries.len() > MAX_FILES {
                bail!("the commit has more than {MAX_FILES} files");
            }
        }
        Ok(())
    };
    let read = read();
    if read.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().context(PIPE)?;
    read?;
    ensure!(status.success(), list::ANSWER);
    Ok(entries)
}
