//! The recipe, `bundle.toml`: the contents of a bundle, written by hand.
//!
//! Items keep the order of the file, whatever their kinds.

mod apt;
mod driver;
mod git;
mod host;
mod image;
mod mirrors;
#[cfg(test)]
mod page;
mod raw;
mod unlock;

use std::io;
use std::ops::Range;

use anyhow::anyhow;
use camino::Utf8Path;
use serde::Serialize;
use vgpu_keys::Channel;
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::GlibcVersion;
use vgpu_manifest::verdict::Targets;
use vgpu_manifest::{BundleName, Digest, ItemMode, ItemName, Wants};

pub(crate) use self::apt::{Apt, Archive, Expired, Indexes, Keyring, Node};
pub(crate) use self::unlock::{FitCheck, library_for};
use crate::bounded;
use crate::types::{Expected, Origin};

/// The requested contents of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Recipe {
    pub(crate) name: BundleName,
    pub(crate) channel: Channel,
    /// The items, in the order in which they are applied.
    pub(crate) entries: Vec<Entry>,
    /// The tables of Debian packages, each of which adds items.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) apt: Vec<Apt>,
    /// The requested changes to a host.
    pub(crate) host: Wants,
    /// The machines that it is made for, if declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) targets: Option<Targets>,
    /// The digest of the recipe as written, if this is a [settled](Self::settled) one.
    #[serde(skip)]
    written: Option<Digest>,
}

/// The item of the catalog. Recipes do not list it: every bundle has it.
pub(crate) const CATALOG: &str = "catalog.sqlite";

/// The name of a bundle whose recipe has none.
pub(crate) const NAME: &str = "vgpu";

/// The channel of a bundle whose recipe names none.
pub(crate) const CHANNEL: &str = "stable";

/// A requested item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Entry {
    pub(crate) name: ItemName,
    /// The executable flag.
    pub(crate) mode: ItemMode,
    pub(crate) origin: Origin,
    /// The expected digest. Without it, the lock pins the actual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<Digest>,
    /// The size limit.
    pub(crate) max_size: ByteSize,
    #[serde(skip_serializing_if = "Role::is_plain")]
    pub(crate) role: Role,
}

/// The kind of an item, if it needs special treatment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Any bytes.
    Plain,
    /// Signed policies.
    Policies,
    /// A driver, either its own file or in a portal archive.
    Driver(DriverKind),
    /// A patch of a driver.
    Patch { of: ItemName },
    /// The sources of an unlock library, with all crates.
    Unlock {
        /// The check of the sources against the driver.
        fit: FitCheck,
    },
    /// An unlock library that is built on this machine.
    Library {
        of: ItemName,
        /// The glibc version of the target hosts.
        glibc: GlibcVersion,
    },
}

impl Entry {
    /// Returns the expectations of the recipe for its bytes.
    pub(crate) fn expected(&self) -> Expected<'_> {
        let Self { name, sha256, max_size, .. } = self;
        Expected { name, sha256: *sha256, size: None, cap: *max_size }
    }
}

impl Role {
    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// An error in the text.
#[derive(Debug)]
struct Fault {
    /// The position in bytes.
    span: Range<usize>,
    what: String,
}

/// The size limit of recipes, which even thousands of items do not reach.
const MAX_LEN: u64 = 4 << 20;

impl Recipe {
    /// Returns the text of the recipe at `path`.
    pub(crate) fn read(path: &Utf8Path) -> anyhow::Result<String> {
        let error = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                anyhow!("there is no recipe at `{path}`; write one, or run `vgpu-bundler init`")
            }
            _ => anyhow::Error::new(error).context(format!("cannot read the recipe `{path}`")),
        };
        bounded::read_text(path, MAX_LEN).map_err(error)
    }

    /// Parses `text` as the recipe at `path`.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_text(path: &Utf8Path, text: &str) -> anyhow::Result<Self> {
        Self::of_lines(path, text, |line| line)
    }

    /// Parses `text`, whose lines come from those lines of the recipe at `path`.
    pub(crate) fn of_lines(
        path: &Utf8Path,
        text: &str,
        origin: impl Fn(usize) -> usize,
    ) -> anyhow::Result<Self> {
        let base = path.parent().unwrap_or(Utf8Path::new(""));
        Self::parse_in(base, text).map_err(|Fault { span, what }| {
            let line = origin(line_of(text, span.start));
            anyhow!("`{path}` line {line}: {what}")
        })
    }

    #[cfg(test)]
    fn parse(text: &str) -> Result<Self, Fault> {
        Self::parse_in(Utf8Path::new(""), text)
    }

    fn parse_in(base: &Utf8Path, text: &str) -> Result<Self, Fault> {
        let raw: raw::Recipe = toml::from_str(text).map_err(|error| Fault {
            span: error.span().unwrap_or_default(),
            what: message(text, &error),
        })?;
        raw.check(base)
    }

    /// Returns the digest of the recipe's meaning: comments, spaces and the order of fields do not
    /// count.
    #[must_use]
    pub(crate) fn digest(&self) -> Digest {
        // Strings, numbers and lists always have a JSON form.
        self.written.unwrap_or_else(|| Digest::of(&serde_json::to_vec(self).unwrap_or_default()))
    }

    /// Returns the same recipe with open origins replaced by `settled`.
    pub(crate) fn settled<E>(
        &self,
        settled: impl Fn(&Entry) -> Result<Origin, E>,
    ) -> Result<Self, E> {
        let settle = |entry: &Entry| Ok(Entry { origin: settled(entry)?, ..entry.clone() });
        let entries = self.entries.iter().map(settle).collect::<Result<_, E>>()?;
        Ok(Self { entries, written: Some(self.digest()), ..self.clone() })
    }
}

/// Returns the message of a syntax error in one line, with the name of the field.
pub(crate) fn message(text: &str, error: &toml::de::Error) -> String {
    // A message with a list of expected values has several lines.
    let message = with_place_of_overrides(error.message().replace('\n', ", "));
    match error.span().and_then(|span| field_at(text, span.start)) {
        Some(field) if !message.contains(&format!("`{field}`")) => format!("`{field}`: {message}"),
        _ => message,
    }
}

/// Returns the key whose value is at the byte `at`.
fn field_at(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?;
    let line = before.get(before.rfind('\n').map_or(0, |newline| newline + 1)..)?;
    let (keys, _) = line.rsplit_once('=')?;
    let key = keys.trim_end().rsplit([' ', '\t', '{', ',', '.']).next()?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (!key.is_empty() && key.chars().all(is_key)).then_some(key)
}

/// Returns the line of the byte `at`, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.get(..at).unwrap_or_default().matches('\n').count()
}

/// Adds the place of overrides to an error about a pasted `profile_override.toml`.
fn with_place_of_overrides(message: String) -> String {
    let tables = ["profile", "mdev", "vm"];
    let is_pasted = |it: &&&str| message.starts_with(&format!("unknown field `{it}`"));
    match tables.iter().find(is_pasted) {
        Some(table) => format!(
            "unknown field `{table}`: overrides of vGPU types are tables `[host.overrides.{table}.…]`, or a file: `overrides = {{ path = \"profile_override.toml\" }}` in `[host]`"
        ),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::types::git::Part;

    const GOOD: &str = r#"
        [bundle]
        name = "node"
        channel = "stable"

        [[file]]
        name = "b.conf"
        path = "files/b.conf"

        [[tree]]
        name = "src/unlock.tar.zst"
        path = "unlock"
        exclude = [".git"]

        [[file]]
        name = "driver.run"
        url = ["https://a.example/d.run", "http://b.example/d.run"]
        sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        max-size = "2 GiB"
        mode = "0755"

        [host]
        iommu = "on"
        kernel-words = ["quiet"]
        modules = ["vfio_pci"]
        modprobe = ["blacklist nouveau"]

        [[host.file]]
        item = "b.conf"
        path = "/etc/b.conf"
    "#;

    #[test]
    fn items_keep_the_order_in_which_they_stand() {
        let recipe = Recipe::parse(GOOD).unwrap();
        let names: Vec<_> = recipe.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["b.conf", "src/unlock.tar.zst", "driver.run", CATALOG]);
        assert_eq!(recipe.entries[2].max_size.bytes(), 2 << 30);
        assert!(matches!(&recipe.entries[2].origin, Origin::Url { urls } if urls.len() == 2));
        assert_eq!(recipe.host.files.len(), 1);
    }

    #[test]
    fn a_patch_knows_its_driver() {
        let head = "[bundle]\nname = \"n\"\nchannel = \"c\"\n";
        let driver = |name: &str| format!("[[driver]]\nname = \"{name}\"\npath = \"a.zip\"\n");
        let guest = driver("g.run") + "kind = \"guest\"\n";
        let patch = "[[patch]]\nname = \"p\"\npath = \"p.patch\"\n";
        let text = format!("{head}{patch}{}{guest}", driver("h.run"));
        let recipe = Recipe::parse(&text).unwrap();
        assert_eq!(recipe.entries[0].role, Role::Patch { of: "h.run".parse().unwrap() });
        assert_eq!(recipe.entries[1].role, Role::Driver(DriverKind::Host));
        assert_eq!(recipe.entries[2].role, Role::Driver(DriverKind::Guest));
        assert_eq!(recipe.entries[1].mode, ItemMode::Executable);
        let message = |text: &str| Recipe::parse(text).unwrap_err().what;
        assert!(message(&format!("{head}{patch}")).contains("must name its `driver`"));
        let two = format!("{head}{}{}{patch}", driver("h.run"), driver("i.run"));
        assert!(message(&two).contains("must name its `driver`"));
        assert!(Recipe::parse(&format!("{two}driver = \"i.run\"\n")).is_ok());
        assert!(message(&format!("{two}driver = \"j.run\"\n")).contains("has no driver `j.run`"));
        assert!(message(&format!("{head}{guest}kind = \"x\"\n")).contains("duplicate key"));
    }

    #[test]
    fn an_image_says_how_it_is_asked_for() {
        let head = "[bundle]\nname = \"n\"\nchannel = \"c\"\n[[image]]\nname = \"dls.tar\"\n";
        let parse = |rest: &str| Recipe::parse(&format!("{head}{rest}"));
        let named = "image = \"registry.example/dls:2.0.3\"\n";
        let usual = parse(named).unwrap();
        let same = parse(&format!("{named}platform = \"linux/amd64\"\ntransport = \"https\"\n"));
        assert_eq!(same.unwrap().digest(), usual.digest());
        let plain = parse(&format!("{named}transport = \"plain-http\"\n")).unwrap();
        assert_ne!(plain.digest(), usual.digest());
        let cases = [
            ("", "`dls.tar` needs `image`, its name in a registry, or `path`"),
            ("path = \"a.tar\"\nmirror = [\"a.example\"]", "are for registries, but `path`"),
            ("path = \"a.tar\"\ntransport = \"https\"", "are for registries, but `path`"),
            ("path = \"a.tar\"\nimage = \"dls:1\"", "does not begin with a registry"),
            ("image = \"dls:2.0.3\"", "does not begin with a registry"),
            ("image = \"registry.example/dls\"", "neither a tag nor a digest"),
            (&format!("{named}platform = \"amd64\""), "is not a platform"),
            (&format!("{named}transport = \"http\""), "unknown variant `http`"),
            (&format!("{named}mirror = [\"http://a.example\"]"), "is not a registry"),
            (&format!("{named}sha256 = \"\""), "unknown field `sha256`"),
        ];
        for (rest, word) in cases {
            let what = parse(rest).unwrap_err().what;
            assert!(what.contains(word), "{rest}: {what}");
        }
        assert!(parse("path = \"layout\"").is_ok());
        assert!(parse(&format!("{named}path = \"a.tar\"")).is_ok());
        let what = Recipe::parse(&format!("{head}{named}").replace("dls.tar", "dls.tgz"));
        assert!(what.unwrap_err().what.contains("must end in `.tar`"));
    }

    #[test]
    fn a_fork_follows_from_the_driver() {
        let head =
            "[bundle]\nname = \"n\"\nchannel = \"c\"\n[[unlock]]\nname = \"u/src.tar.zst\"\n";
        let targets = |driver: &str, pve: &str| {
            format!("[targets]\ngpu = [\"10de:1e30\"]\ndriver = \"{driver}\"\n{pve}\n")
        };
        let recipe = Recipe::parse(&format!("{head}{}", targets("19.4", "pve = \"8.2\""))).unwrap();
        let names: Vec<_> = recipe.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["u/src.tar.zst", "u/libvgpu_unlock_rs.so", CATALOG]);
        let message = recipe.entries[0].origin.to_string();
        assert!(message.contains("rbqvq/vgpu_unlock-rs at commit `5ad3ee6"), "{message}");
        let glibc = |recipe: &Recipe| match recipe.entries[1].role {
            Role::Library { glibc, .. } => glibc.to_string(),
            ref other => format!("{other:?}"),
        };
        assert_eq!(glibc(&recipe), "2.36");
        let commit = format!("git = \"a\"\ncommit = \"{}\"\n", "1".repeat(40));
        assert_eq!(glibc(&Recipe::parse(&format!("{head}{commit}")).unwrap()), "2.31");
        let node = Recipe::parse(&format!("{head}{commit}build = \"node\"\n")).unwrap();
        assert_eq!(node.entries.len(), 2);

        let message = |text: String| Recipe::parse(&text).unwrap_err().what;
        assert!(message(head.to_owned()).contains("`[targets]` must name the driver"));
        assert!(message(format!("{head}git = \"a\"\n")).contains("exactly one of `commit`"));
        let new = format!("{head}{commit}glibc = \"2.36\"\n{}", targets("16.9", "pve = \"7.4\""));
        assert!(message(new).contains("Proxmox VE 7.4 has glibc 2.31"));
        let both = format!("{head}{commit}build = \"node\"\nlibrary = \"l.so\"\n");
        assert!(message(both).contains("omit `library`"));
        let name = head.replace(".zst", "") + &commit;
        assert!(message(name).contains("must end in `.tar.zst`"));
    }

    #[test]
    fn a_part_of_a_repository_is_an_item() {
        let commit = "ab".repeat(20);
        let tree = format!("git = 'https://git.example/a'\ncommit = '{commit}'\nfolder = 'src'");
        let recipe = Recipe::parse(&GOOD.replace("path = \"unlock\"", &tree)).unwrap();
        let Origin::Git(origin) = &recipe.entries[1].origin else { panic!("{recipe:?}") };
        assert_eq!(origin.revision.commit().map(ToString::to_string), Some(commit));
        assert!(
            matches!(&origin.part, Part::Folder { path: Some(_), exclude } if exclude.len() == 1)
        );

        let head =
            "[bundle]\nname = \"n\"\nchannel = \"c\"\n[[driver]]\nname = \"d\"\npath = \"d\"\n";
        let patch = "[[patch]]\nname = \"p\"\ngit = \"patches\"\nbranch = \"main\"\n";
        let recipe = Recipe::parse(&format!("{head}{patch}file = \"a/1.2.3.patch\"\n")).unwrap();
        let Origin::Git(origin) = &recipe.entries[1].origin else { panic!("{recipe:?}") };
        assert!(matches!(&origin.part, Part::File(file) if file.as_str() == "a/1.2.3.patch"));
        let settled = recipe.settled(|_| Ok::<_, ()>(Origin::Catalog)).unwrap();
        assert_eq!(settled.digest(), recipe.digest());
        assert_ne!(settled.entries, recipe.entries);
        let message = |text: &str| Recipe::parse(text).unwrap_err().what;
        assert!(message(&format!("{head}{patch}")).contains("`file` must name the file"));
        assert!(
            message(&format!("{head}{patch}path = \"p\"\n")).contains("`path`, `url` or `git`")
        );
    }

    #[test]
    fn overrides_can_be_in_the_file_that_people_have() {
        let dir = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(dir.path()).unwrap();
        let tables = "[profile.nvidia-259]\nframebuffer = \"1 GiB\"\n[vm.100]\nfrl_enabled = 0\n";
        fs::write(base.join("profile_override.toml"), format!("# mine\n{tables}")).unwrap();
        let head = "[bundle]\nname = \"n\"\nchannel = \"c\"\n[host]\niommu = \"on\"\n";
        let file = format!("{head}overrides = {{ path = \"profile_override.toml\" }}\n");
        let read = |text: &str| Recipe::of_text(&base.join("bundle.toml"), text);
        let written = tables.replace('[', "[host.overrides.");
        let recipe = read(&file).unwrap();
        assert_eq!(recipe, read(&format!("{head}{written}")).unwrap());
        assert_eq!(recipe.host.overrides.profile.len(), 1);
        assert!(recipe.host.iommu.is_some());
        // The content counts, so a lock is stale after a change of the file.
        fs::write(base.join("profile_override.toml"), tables.replace("100", "101")).unwrap();
        assert_ne!(read(&file).unwrap().digest(), recipe.digest());

        fs::write(base.join("profile_override.toml"), tables.replace("vm.100", "vm.0100")).unwrap();
        let said = |text: &str| read(text).unwrap_err().to_string();
        let told = said(&file);
        assert!(
            told.contains("bundle.toml` line 6: `profile_override.toml` line 3: `0100`"),
            "{told}"
        );
        let both = file.replace(" }", ", vm.100.frl_enabled = 0 }");
        assert!(said(&both).contains("write all of them into the file"));
        assert!(said(&file.replace("path", "file")).contains("unknown field `file`"));
        assert!(said(&file.replace("profile_o", "o")).contains("cannot read the overrides in"));
        assert!(said(&format!("{head}kernel = 1\n")).contains("unknown field `kernel`"));
        for pasted in
            [format!("{tables}{head}"), format!("{head}{}", tables.replace('[', "[host."))]
        {
            let told = said(&pasted);
            assert!(told.contains("are tables `[host.overrides.profile.…]`"), "{told}");
        }
    }

    #[test]
    fn a_recipe_has_no_more_items_than_a_bundle() {
        let recipe = |count: usize| {
            let item = |at| format!("[[file]]\nname = \"f{at}\"\npath = \"f\"\n");
            let items: String = (0..count).map(item).collect();
            Recipe::parse(&format!("[bundle]\nname = \"n\"\nchannel = \"c\"\n{items}"))
        };
        // With the catalog, which is an item of every bundle.
        assert_eq!(recipe(4095).unwrap().entries.len(), 4096);
        let Fault { span, what } = recipe(4096).unwrap_err();
        assert!(what.contains("has 4096 items, but a bundle has at most 4096"), "{what}");
        assert!(span.start > 100_000, "{span:?}");
    }

    #[test]
    fn only_what_it_says_counts() {
        let digest = Recipe::parse(GOOD).unwrap().digest();
        let same = GOOD.replace("[host]", "# a comment\n[host]").replace("        ", "");
        assert_eq!(Recipe::parse(&same).unwrap().digest(), digest);
        for (old, new) in
            [("0755", "0644"), ("2 GiB", "3 GiB"), ("quiet", "loud"), ("stable", "test")]
        {
            assert_ne!(Recipe::parse(&GOOD.replace(old, new)).unwrap().digest(), digest, "{new}");
        }
    }

    /// Returns the line of the error, and its message.
    fn fault(old: &str, new: &str) -> (usize, String) {
        assert!(GOOD.contains(old), "{old}");
        let text = GOOD.replacen(old, new, 1);
        let Fault { span, what } = Recipe::parse(&text).expect_err(new);
        (1 + text[..span.start].matches('\n').count(), what)
    }

    #[test]
    fn every_fault_is_found_where_it_is() {
        let cases = [
            ("name = \"node\"", "name = \"No de\"", 3, "is not the name of a bundle"),
            ("channel = \"stable\"", "chanel = \"stable\"", 4, "unknown field"),
            ("name = \"b.conf\"", "name = \"../b\"", 7, "is not the name of an item"),
            ("name = \"b.conf\"", "name = \"DRIVER.run\"", 16, "collide"),
            ("name = \"b.conf\"", "name = \"Catalog.sqlite\"", 7, "every bundle has"),
            ("name = \"b.conf\"", "name = \"Policies\"", 7, "reserved for signed policies"),
            ("[host]", "[targets]\ngpu = []\ndriver = \"16.9\"\n[host]", 22, "at least one GPU"),
            ("[host]", "[targets]\ngpu = [\"10de:1\"]\ndriver = \"16.9\"\n[host]", 22, "PCI id"),
            ("path = \"files/b.conf\"", "path = \"\"", 8, "is not a path"),
            ("path = \"files/b.conf\"", "path = \"a\"\nurl = \"http://a\"", 6, "`path` or `url`"),
            ("path = \"files/b.conf\"", "", 6, "`path` or `url`"),
            ("path = \"unlock\"", "git = \"unlock\"", 11, "exactly one of `commit`"),
            ("path = \"unlock\"", "git = \"a:b\"\ntag = \"v1\"", 12, "ssh://user@host/path"),
            ("path = \"unlock\"", "git = \"a\"\ncommit = \"71ec870\"", 13, "id of a commit"),
            ("path = \"unlock\"", "path = \"unlock\"\ntag = \"v1\"", 11, "either `path` or `git`"),
            ("path = \"unlock\"", "", 11, "either `path` or `git`"),
            ("path = \"unlock\"", "path = \"unlock\"\nsha256 = \"\"", 13, "unknown field"),
            ("src/unlock.tar.zst", "src/unlock.tar", 11, "`.tar.zst`"),
            ("https://a.example", "ftp://a.example", 17, "is not an address"),
            ("[\"https://a.example/d.run\", \"http://b.example/d.run\"]", "[]", 17, "at least one"),
            ("e3b0", "E3B0", 18, "is not a digest"),
            ("2 GiB", "2 GIB", 19, "is not a size"),
            ("mode = \"0755\"", "mode = \"4755\"", 20, "unknown variant"),
            ("\"quiet\"", "\"a b\"", 24, "is not a kernel parameter"),
            ("blacklist nouveau", "install a /bin/sh", 26, "is not a modprobe configuration line"),
            ("item = \"b.conf\"", "item = \"c.conf\"", 22, "has no item `c.conf`"),
            ("[bundle]", "[bundle", 2, "table"),
        ];
        for (old, new, line, word) in cases {
            let (at, what) = fault(old, new);
            assert!(what.contains(word), "{new}: {what}");
            assert!(at.abs_diff(line) <= 1, "{new}: line {at} instead of {line}: {what}");
        }
    }
}
