//! The contents of a folder, for comparison.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use camino::Utf8Path;
use vgpu_manifest::Digest;

/// Returns type, permissions, owner and content of everything below `root`, except the installer's
/// own state.
pub(crate) fn tree(root: &Utf8Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

fn walk(root: &Utf8Path, path: &Utf8Path, found: &mut BTreeMap<String, String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let content = if meta.is_symlink() {
        fs::read_link(path).unwrap().to_str().unwrap().to_owned()
    } else if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap().path();
            let entry = Utf8Path::from_path(&entry).unwrap();
            let ours = ["var", "etc/vgpu-offline"].map(|own| root.join(own));
            if !ours.iter().any(|own| own == entry) {
                walk(root, entry, found);
            }
        }
        String::new()
    } else {
        Digest::of(&fs::read(path).unwrap()).to_string()
    };
    let name = path.strip_prefix(root).unwrap().to_string();
    found.insert(name, format!("{:o} {} {} {content}", meta.mode(), meta.uid(), meta.gid()));
}
