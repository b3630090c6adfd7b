//! Packages from signed archives, created for each test.

mod closure;
mod network;
mod node;
mod trust;

use crate::archive::{Repository, can_sign};
use crate::bundler::sandbox::Sandbox;

/// A sandbox with an archive in its folder `repo`, which has the package `tool`, and a recipe that
/// requests it.
///
/// `Scene::new` returns `None`, with a message, if archives cannot be signed or checked here.
struct Scene {
    sandbox: Sandbox,
    repo: Repository,
}

impl Scene {
    /// Returns the archive's location as it appears in a recipe.
    fn new() -> Option<Self> {
        if !can_sign() {
            return None;
        }
        let sandbox = Sandbox::empty();
        sandbox.ok(&["key", "generate", "--principal", "alice", "--no-passphrase"]);
        let mut repo = Repository::new(sandbox.work("repo"), "test");
        repo.add("tool", "1:2.0-1", "Depends: lib (>= 1), base (= 1.0+deb12u1)\n");
        repo.add("lib", "1.0", "");
        repo.write_key(&sandbox.work("keys.gpg"));
        repo.publish();
        let scene = Self { sandbox, repo };
        scene.recipe("");
        Some(scene)
    }

    /// Returns the recipe with these additional lines in the table of packages.
    fn folder(&self) -> String {
        format!("file:{}", self.sandbox.work("repo").display())
    }

    /// Returns the recipe with this mirror.
    fn recipe(&self, more: &str) {
        self.recipe_from(&format!("'{}'", self.folder()), more);
    }

    /// Returns the names of the items in the lock.
    fn recipe_from(&self, mirror: &str, more: &str) {
        let table = self.repo.table(mirror);
        self.sandbox.write(
            "bundle.toml",
            &format!(
                "[bundle]\nname = 'apt'\nchannel = 'stable'\n[[apt]]\nrelease = 'test'\n\
                 install = ['tool']\n{more}\n{table}"
            ),
        );
    }

    /// Returns the names of the items in the lock.
    fn items(&self) -> Vec<String> {
        let lock = self.sandbox.read("bundle.lock");
        let items = lock.split("[[item]]").skip(1);
        let names =
            items.filter_map(|item| item.lines().find_map(|line| line.strip_prefix("name = ")));
        names.map(|name| name.trim_matches('"').to_owned()).collect()
    }
}
