//! The files on the laptop, made on the spot: a driver, its patch, an unlock library, packages, an
//! image, and the recipe.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::Digest;
use vgpu_tests::nvidia::{Compression, StandIn};
use vgpu_tests::oci::{ImageSpec, Layout};

use crate::archive::Repository;
use crate::show::has;

/// A vGPU release and the version of its host driver for Linux KVM.
pub(crate) const FIRST: (&str, &str) = ("16.9", "535.230.02");
pub(crate) const SECOND: (&str, &str) = ("17.6", "550.163.02");

/// The packages that the node lacks.
pub(crate) const PACKAGES: [(&str, &str); 3] =
    [("dkms", "3.0.10-8"), ("gcc", "4:12.2.0-3"), ("make", "4.3-4.1")];

/// The laptop's folder, and what the recipe refers to.
pub(crate) struct Laptop {
    folder: Utf8PathBuf,
    /// The commit of the unlock library.
    commit: String,
    /// The recipe's table of packages; empty if no archive can be signed here.
    packages: String,
}

impl Laptop {
    pub(crate) fn new(folder: &Utf8Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let commit = unlock(&folder.join("vgpu_unlock"))?;
        Layout::of_image(&folder.join("images/dls"), "2.0.3", &ImageSpec::numbered(2))?;
        let can_sign = ["gpg", "gpg-agent", "gpgv"].into_iter().all(has);
        let packages = if can_sign { archive(folder) } else { String::new() };
        Ok(Self { folder: folder.to_owned(), commit, packages })
    }

    /// Whether the bundle has packages. Otherwise the node has them already.
    pub(crate) fn has_packages(&self) -> bool {
        !self.packages.is_empty()
    }

    /// Makes the driver and its patch, and writes the recipe for them.
    pub(crate) fn write(&self, (release, version): (&str, &str)) -> Result<()> {
        // gzip is on every machine.
        let driver = StandIn { compression: Compression::Gzip, ..StandIn::host(version) };
        let file = self.folder.join(driver.file_name());
        driver.write(&file)?;
        fs::write(self.folder.join(format!("{version}.patch")), driver.patch())?;
        let filled = [
            ("@RELEASE@", release),
            ("@DRIVER@", &driver.file_name()),
            // It is not NVIDIA's file, of which the catalog has the MD5.
            ("@SHA256@", &Digest::of(&fs::read(&file)?).to_string()),
            ("@VERSION@", version),
            ("@COMMIT@", &self.commit),
            ("@PACKAGES@", &self.packages),
        ];
        let recipe = include_str!("bundle.toml").to_owned();
        let recipe = filled.iter().fold(recipe, |text, (name, value)| text.replace(name, value));
        Ok(fs::write(self.folder.join("bundle.toml"), recipe)?)
    }
}

/// Makes a git repository with the sources of a library, and returns its commit.
fn unlock(folder: &Utf8Path) -> Result<String> {
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), include_str!("unlock/Cargo.toml"))?;
    fs::write(folder.join("src/lib.rs"), include_str!("unlock/lib.rs"))?;
    let git = |words: &[&str]| -> Result<String> {
        let who = ["-c", "user.name=alice", "-c", "user.email=alice@git.example"];
        let mut git = Command::new("git");
        git.current_dir(folder).args(who).args(words);
        let output = git.output().context("cannot run git")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    git(&["init", "--quiet"])?;
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--message=A stand-in", "--date=2026-01-01T00:00:00Z"])?;
    git(&["rev-parse", "HEAD"])
}

/// Makes a signed archive with the packages, and returns the recipe's table.
fn archive(folder: &Utf8Path) -> String {
    let mut archive = Repository::new(folder.join("archive").into(), "bookworm");
    for (name, version) in PACKAGES {
        archive.add(name, version, "");
    }
    archive.write_key(folder.join("keys.gpg").as_std_path());
    archive.publish();
    let names = PACKAGES.map(|(name, _)| format!("\"{name}\"")).join(", ");
    let table = archive.table(&format!("'file:{folder}/archive'"));
    format!("[[apt]]\nrelease = \"bookworm\"\ninstall = [{names}]\n{table}")
}
