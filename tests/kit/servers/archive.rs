//! A signed package archive as a folder, created for a test.

#![allow(dead_code, reason = "each test that includes this file needs another part of it")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use vgpu_manifest::Digest;
use vgpu_tests::skip::have;

use crate::gpg::{ED25519, Form, Gpg};

/// A signed package archive.
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
    pub(crate) signer: Signer,
    pub(crate) suite: &'static str,
    pub(crate) component: &'static str,
    packages: Vec<Package>,
    /// Additional fields of the release, each with a line end.
    pub(crate) head: String,
    /// The hash of its signature, in gpg's spelling.
    pub(crate) hash: &'static str,
    pub(crate) form: Form,
}

/// A package whose content is its name.
struct Package {
    name: String,
    version: String,
    fields: String,
    content: Vec<u8>,
}

/// A key, and a `gpg` home with its secret.
#[derive(Debug)]
pub(crate) struct Signer {
    gpg: Gpg,
    pub(crate) fingerprint: String,
}

impl Repository {
    /// Creates an archive with a `base` package that every system has.
    pub(crate) fn new(root: PathBuf, suite: &'static str) -> Self {
        let gpg = Gpg::new();
        let fingerprint = gpg.key(2, ED25519, &[]);
        let mut repository = Self {
            root,
            signer: Signer { gpg, fingerprint },
            suite,
            component: "main",
            packages: Vec::new(),
            head: "Acquire-By-Hash: yes\n".to_owned(),
            hash: "SHA512",
            form: Form::Inline,
        };
        repository.add("base", "1.0+deb12u1", "Priority: required\n");
        repository
    }

    /// Adds a package with these further fields, each with a line end; it replaces one with the
    /// same name and version.
    pub(crate) fn add(&mut self, name: &str, version: &str, fields: &str) {
        let content = format!("{name} {version}\n").repeat(1000).into_bytes();
        self.add_file(name, version, fields, content);
    }

    pub(crate) fn add_file(&mut self, name: &str, version: &str, fields: &str, content: Vec<u8>) {
        self.remove(name, version);
        let [name, version, fields] = [name, version, fields].map(str::to_owned);
        self.packages.push(Package { name, version, fields, content });
    }

    pub(crate) fn remove(&mut self, name: &str, version: &str) {
        self.packages.retain(|it| it.name != name || it.version != version);
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.signer.fingerprint
    }

    /// Returns the public key, as a file.
    pub(crate) fn write_key(&self, path: &Path) {
        fs::write(path, self.signer.gpg.export(&[self.fingerprint()])).unwrap();
    }

    fn dist(&self) -> PathBuf {
        self.root.join("dists").join(self.suite)
    }

    /// Returns a file below that of the release.
    pub(crate) fn index(&self, name: &str) -> PathBuf {
        self.dist().join(self.component).join("binary-amd64").join(name)
    }

    /// Returns the text of the index.
    pub(crate) fn packages(&self) -> String {
        let mut text = String::new();
        for Package { name, version, fields, content } in &self.packages {
            let file = version.replace(':', "%3a");
            let path = format!("pool/{name}_{file}_amd64.deb");
            let at = self.root.join(&path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, content).unwrap();
            writeln!(
                text,
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}Filename: {path}\n\
                 Size: {}\nSHA256: {}\n",
                content.len(),
                Digest::of(content)
            )
            .unwrap();
        }
        text
    }

    /// Writes the archive, signed.
    pub(crate) fn publish(&self) {
        self.publish_index(&self.packages());
    }

    /// Writes the archive with this index.
    pub(crate) fn publish_index(&self, packages: &str) {
        let folder = self.index("by-hash/SHA256");
        fs::create_dir_all(&folder).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(packages.as_bytes()).unwrap();
        let files =
            [("Packages", packages.as_bytes().to_vec()), ("Packages.gz", gzip.finish().unwrap())];
        let mut list = String::new();
        for (name, bytes) in files {
            let digest = Digest::of(&bytes);
            writeln!(list, " {digest} {} {}/binary-amd64/{name}", bytes.len(), self.component)
                .unwrap();
            fs::write(self.index(name), &bytes).unwrap();
            fs::write(folder.join(digest.to_string()), bytes).unwrap();
        }
        let date = rfc2822(SystemTime::now());
        let Self { suite, component, head, .. } = self;
        self.sign(&format!(
            "Origin: Test\nSuite: stable\nCodename: {suite}\nDate: {date}\n{head}\
             Architectures: amd64\nComponents: {component}\nSHA256:\n{list}"
        ));
    }

    /// Signs a release.
    pub(crate) fn sign(&self, text: &str) {
        let dist = self.dist();
        for name in ["InRelease", "Release", "Release.gpg"] {
            let _ = fs::remove_file(dist.join(name));
        }
        match self.form {
            Form::Inline => fs::write(dist.join("InRelease"), self.signed(text)).unwrap(),
            Form::Detached => {
                fs::write(dist.join("Release"), text).unwrap();
                fs::write(dist.join("Release.gpg"), self.signed(text)).unwrap();
            }
        }
    }

    fn signed(&self, text: &str) -> Vec<u8> {
        let keys = [self.fingerprint()];
        self.signer.gpg.sign(&keys, self.form, &["--digest-algo", self.hash], text)
    }

    /// Returns the recipe's table of this archive.
    pub(crate) fn table(&self, mirror: &str) -> String {
        format!(
            "[[apt.archive]]\nname = '{suite}'\nmirror = {mirror}\ncomponents = ['main']\n\
             keyring = 'keys.gpg'\nsigned-by = '{}'\n",
            self.fingerprint(),
            suite = self.suite,
        )
    }
}

/// Checks whether archives can be signed and verified. Prints a message if not.
pub(crate) fn can_sign() -> bool {
    ["gpg", "gpg-agent", "gpgv"].into_iter().all(have)
}

/// Returns a date in the format of archives.
pub(crate) fn rfc2822(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut days = seconds / 86_400;
    let clock = seconds % 86_400;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("Xyz, {:02} {} {year} {hour:02}:{minute:02}:{second:02} UTC", days + 1, months[month])
}
