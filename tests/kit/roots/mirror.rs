//! The Debian archives in this machine's apt configuration, for any release.

use std::fs;
use std::process::{Command, Stdio};

use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};

use super::Release;
use crate::skip;

/// The keys of Debian's package `debian-archive-keyring`.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// apt's helper program that downloads a file with all of apt's settings.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

/// The mirror of Debian in the machine's apt configuration.
#[derive(Debug, Clone)]
pub struct Mirror {
    main: String,
    security: String,
    keyring: &'static Utf8Path,
    settings: String,
}

/// One suite of a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Its base URL.
    pub url: String,
    /// The name of the suite, whose component is `main`.
    pub suite: String,
}

impl Mirror {
    /// Returns the mirror of this machine; if there is none, prints the missing requirement.
    #[must_use]
    pub fn of_machine() -> Option<Self> {
        let Some(keyring) = KEYRINGS.iter().find(|path| fs::exists(path).unwrap_or(false)) else {
            return skip::without("debian-archive-keyring");
        };
        let targets = "$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)";
        let targets =
            output("apt-get", &["indextargets", "--format", targets, "Created-By: Packages"]);
        let Some((main, security)) = targets.and_then(|text| archives(&text)) else {
            return skip::without("a mirror of Debian in apt's configuration");
        };
        let settings = output("apt-config", &["dump", "--format", "%F \"%v\";%n", "Acquire"]);
        let settings = settings.unwrap_or_default();
        let settings: String =
            settings.lines().filter(|line| of_transport(line)).flat_map(|it| [it, "\n"]).collect();
        Some(Self { main, security, keyring: Utf8Path::new(keyring), settings })
    }

    /// Returns the file with the keys of Debian's archives.
    #[must_use]
    pub fn keyring(&self) -> &Utf8Path {
        self.keyring
    }

    /// Returns the fingerprints of those keys, as a recipe pins them, in the order of the file.
    ///
    /// # Panics
    ///
    /// If `gpg` cannot read the file.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        let home = tempfile::tempdir().expect("a folder");
        let home = home.path().to_str().expect("UTF-8");
        let words = ["--homedir", home, "--with-colons", "--show-keys", self.keyring.as_str()];
        let listed = output("gpg", &words).expect("a keyring that gpg can read");
        fingerprints(&listed)
    }

    /// Returns the apt settings for reaching the mirror: proxies, certificates, clock checks.
    #[must_use]
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// Returns the proxy for plain HTTP in apt's settings, for programs that do not read them.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        let line = self.settings.lines().find_map(|it| it.strip_prefix("Acquire::http::Proxy \""));
        line.and_then(|rest| rest.strip_suffix("\";")).filter(|url| url.contains("://"))
    }

    /// Returns the suites of a release: main, updates and security. `None` if the mirror does not
    /// have it.
    #[must_use]
    pub fn archives(&self, release: Release) -> Option<Vec<Archive>> {
        let name = release.codename();
        let at = |url: &str, suite: String| Archive { url: url.to_owned(), suite };
        // Old releases move to an archive on the same server, under this name.
        let archived = |url: &str| {
            let (parent, last) = url.rsplit_once('/').unwrap_or(("", url));
            format!("{parent}/debian-archive/{last}")
        };
        let of = |main: &str, security: &str| {
            let main_suites = [name.to_owned(), format!("{name}-updates")];
            let mut all: Vec<_> = main_suites.map(|suite| at(main, suite)).into();
            all.push(at(security, format!("{name}-security")));
            all
        };
        let now = of(&self.main, &self.security);
        let before = of(&archived(&self.main), &archived(&self.security));
        [now, before].into_iter().find(|all| all[0].in_release().is_some())
    }

    /// Downloads the newest package `name` of a component of a release into `folder` with the
    /// machine's apt, which verifies it, and returns its path. Nothing of the machine's own apt
    /// configuration changes. `None` if the release does not have it.
    #[must_use]
    pub fn package(
        &self,
        release: Release,
        component: &str,
        name: &str,
        folder: &Utf8Path,
    ) -> Option<Utf8PathBuf> {
        let at = |name: &str| folder.join(name);
        for name in ["lists/partial", "cache/archives/partial", "parts"] {
            fs::create_dir_all(at(name)).ok()?;
        }
        let main = self.archives(release)?.into_iter().next()?;
        let line = main.line(self.keyring).replace(" main", &format!(" {component}\n"));
        fs::write(at("sources.list"), line).ok()?;
        let options = [
            format!("Dir::Etc::SourceList={}", at("sources.list")),
            format!("Dir::Etc::SourceParts={}", at("parts")),
            format!("Dir::State::Lists={}", at("lists")),
            format!("Dir::Cache={}", at("cache")),
            // Its own user may not write here.
            "APT::Sandbox::User=root".to_owned(),
        ];
        let apt = |words: &[&str]| {
            let mut command = Command::new("apt-get");
            for option in &options {
                command.args(["--option", option]);
            }
            command.arg("--quiet").args(words).current_dir(folder).stdin(Stdio::null());
            command.output().ok().filter(|output| output.status.success())
        };
        apt(&["update"])?;
        apt(&["download", name])?;
        let mut paths = folder.read_dir_utf8().ok()?.flatten().map(Utf8DirEntry::into_path);
        paths.find(|path| path.extension() == Some("deb"))
    }
}

impl Archive {
    /// Returns its line of `sources.list`, with the keys in `keyring`.
    #[must_use]
    pub fn line(&self, keyring: &Utf8Path) -> String {
        format!("deb [signed-by={keyring}] {} {} main", self.url, self.suite)
    }

    /// Returns its `InRelease` file, downloaded by the machine's apt; `None` if it does not exist.
    #[must_use]
    pub fn in_release(&self) -> Option<Vec<u8>> {
        self.file(&format!("dists/{}/InRelease", self.suite))
    }

    /// Returns a file of the suite, downloaded by the machine's apt without verification; `None` if
    /// it does not exist.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        let folder = tempfile::tempdir().ok()?;
        let to = Utf8PathBuf::from_path_buf(folder.path().join("file")).ok()?;
        output(APT_HELPER, &["download-file", &format!("{}/{path}", self.url), to.as_str()])?;
        fs::read(to).ok()
    }
}

/// Returns the base URLs of the main and the security archive, from apt's own list of its indexes.
fn archives(targets: &str) -> Option<(String, String)> {
    let find = |suffix: &str| {
        targets.lines().find_map(|line| {
            let [codename, release, component, url] =
                line.split('|').collect::<Vec<_>>().try_into().ok()?;
            // Before the first update, apt does not know the code name of `stable`.
            let suite: &str = if codename.starts_with('$') { release } else { codename };
            let known = Release::ALL.iter().any(|it| suite == format!("{}{suffix}", it.codename()));
            let url: &str = url;
            (known && component == "main").then(|| url.trim_end_matches('/').to_owned())
        })
    };
    let main = find("")?;
    let security = find("-security").or_else(|| Some(format!("{main}-security")))?;
    Some((main, security))
}

/// Returns the fingerprints of primary keys in gpg's listing: the first `fpr` record after each
/// `pub` record.
fn fingerprints(listed: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_primary = false;
    for line in listed.lines() {
        match line.split(':').collect::<Vec<_>>()[..] {
            ["pub", ..] => is_primary = true,
            ["fpr", .., fingerprint, ""] if is_primary => {
                found.push(fingerprint.to_owned());
                is_primary = false;
            }
            _ => {}
        }
    }
    found
}

/// Checks whether an apt setting affects access to a mirror.
fn of_transport(line: &str) -> bool {
    let name = line.split(' ').next().unwrap_or_default();
    let is_leaf = !line.ends_with(" \"\";");
    let parts = ["http::", "https::", "Retries", "Check-Date", "Check-Valid-Until"];
    is_leaf && parts.iter().any(|part| name.starts_with(&format!("Acquire::{part}")))
}

fn output(program: &str, words: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.args(words).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_found_by_their_suites() {
        let targets = "nodistro|nodistro|main|https://other.example/\n\
                       bookworm|bookworm|stable|https://docker.example/\n\
                       bookworm|stable|main|https://mirror.example/debian/\n\
                       bookworm-updates|stable-updates|main|https://mirror.example/debian/\n\
                       $(CODENAME)|bookworm-security|main|https://mirror.example/security/\n";
        let expected = ("https://mirror.example/debian", "https://mirror.example/security");
        assert_eq!(archives(targets), Some((expected.0.to_owned(), expected.1.to_owned())));
        assert_eq!(archives("noble|noble|main|https://mirror.example/ubuntu/"), None);
    }

    #[test]
    fn fingerprints_are_those_of_primary_keys() {
        let listed = "pub:-:4096:1:73A4:16:18:-:::scSC::::::23::0:\nrvk:::1::::::80E9:80:\n\
                      fpr:::::::::1F89:\nuid:-::::16::8B21::Debian::::::::::0:\n\
                      sub:-:4096:1:6ED0:16:18:::::s::::::23:\nfpr:::::::::4CB5:\n";
        assert_eq!(fingerprints(listed), ["1F89"]);
    }

    #[test]
    fn only_settings_of_the_transport_go_along() {
        assert!(of_transport("Acquire::http::Proxy \"http://proxy.example:3128\";"));
        assert!(of_transport("Acquire::Check-Date \"false\";"));
        assert!(!of_transport("Acquire::http \"\";"));
        assert!(!of_transport("Acquire::Languages:: \"none\";"));
        assert!(!of_transport("DPkg::Post-Invoke:: \"rm -rf /\";"));
    }
}
