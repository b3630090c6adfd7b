//! A signed archive of packages, as a folder, made for a test.

#![allow(dead_code, reason = "each test that includes this file needs another part of it")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use openpgp::Cert;
use openpgp::cert::CertBuilder;
use openpgp::packet::signature::SignatureBuilder;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::Serialize as _;
use openpgp::serialize::stream::{Armorer, Message, Signer};
use openpgp::types::{HashAlgorithm, SignatureType};
use sequoia_openpgp as openpgp;
use vgpu_manifest::Digest;

/// The archive.
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
    pub(crate) key: Cert,
    pub(crate) suite: &'static str,
    packages: Vec<Package>,
    /// More fields of the release, each with a line end.
    pub(crate) head: String,
    pub(crate) hash: HashAlgorithm,
    pub(crate) form: Form,
}

/// A package, of which the content is what its name says.
struct Package {
    name: String,
    version: String,
    fields: String,
    content: Vec<u8>,
}

/// How the release is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Inline,
    Detached,
}

impl Repository {
    /// With a `base` package that every system has.
    pub(crate) fn new(root: PathBuf, suite: &'static str) -> Self {
        let made = SystemTime::now() - Duration::from_hours(48);
        let builder = CertBuilder::general_purpose(Some("archive <archive@example.org>"));
        let (key, _) = builder.set_creation_time(made).generate().unwrap();
        let mut repository = Self {
            root,
            key,
            suite,
            packages: Vec::new(),
            head: "Acquire-By-Hash: yes\n".to_owned(),
            hash: HashAlgorithm::SHA512,
            form: Form::Inline,
        };
        repository.add("base", "1.0+deb12u1", "Priority: required\n");
        repository
    }

    /// Add a package with these further fields, each with a line end; it takes the place of one of
    /// the same name and version.
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

    pub(crate) fn fingerprint(&self) -> String {
        self.key.fingerprint().to_hex()
    }

    /// The public key, as a file.
    pub(crate) fn write_key(&self, path: &Path) {
        let mut bytes = Vec::new();
        self.key.serialize(&mut bytes).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn dist(&self) -> PathBuf {
        self.root.join("dists").join(self.suite)
    }

    /// A file below that of the release.
    pub(crate) fn index(&self, name: &str) -> PathBuf {
        self.dist().join("main/binary-amd64").join(name)
    }

    /// The text of the index.
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

    /// Write all of it, signed.
    pub(crate) fn publish(&self) {
        self.publish_index(&self.packages());
    }

    /// Write all of it, with this index.
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
            writeln!(list, " {digest} {} main/binary-amd64/{name}", bytes.len()).unwrap();
            fs::write(self.index(name), &bytes).unwrap();
            fs::write(folder.join(digest.to_string()), bytes).unwrap();
        }
        let date = rfc2822(SystemTime::now());
        let Self { suite, head, .. } = self;
        self.sign(&format!(
            "Origin: Test\nSuite: stable\nCodename: {suite}\nDate: {date}\n{head}\
             Architectures: amd64\nComponents: main\nSHA256:\n{list}"
        ));
    }

    /// Sign a release.
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
        let policy = StandardPolicy::new();
        let key = self.key.keys().secret().with_policy(&policy, None).for_signing().next().unwrap();
        let pair = key.key().clone().into_keypair().unwrap();
        let mut out = Vec::new();
        let mut message = Message::new(&mut out);
        if self.form == Form::Detached {
            message = Armorer::new(message).kind(openpgp::armor::Kind::Signature).build().unwrap();
        }
        let template = SignatureBuilder::new(SignatureType::Text);
        let signer = Signer::with_template(message, pair, template).unwrap();
        let signer = signer.hash_algo(self.hash).unwrap();
        let signer = match self.form {
            Form::Inline => signer.cleartext(),
            Form::Detached => signer.detached(),
        };
        let mut message = signer.build().unwrap();
        message.write_all(text.as_bytes()).unwrap();
        message.finalize().unwrap();
        out
    }

    /// The recipe's table of this archive.
    pub(crate) fn table(&self, mirror: &str) -> String {
        format!(
            "[[apt.archive]]\nname = '{suite}'\nmirror = {mirror}\ncomponents = ['main']\n\
             keyring = 'keys.gpg'\nsigned-by = '{}'\n",
            self.fingerprint(),
            suite = self.suite,
        )
    }
}

/// A date as archives write it.
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
