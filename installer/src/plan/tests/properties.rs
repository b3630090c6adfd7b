use proptest::prelude::*;
use vgpu_manifest::HostPath;

use super::*;
use crate::act::Journal;
use crate::journal::NewTransaction;

/// A node of any kind at a path.
#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>, Meta),
    Dir(Meta),
    Link(String),
}

fn meta() -> impl Strategy<Value = Meta> {
    let mode = prop::sample::select(vec!["0644", "0600", "4755", "1777", "0000"]);
    let xattrs = prop::collection::btree_map("user\\.[ab]", any::<Vec<u8>>(), 0..3);
    (mode, 0..3u32, 0..3u32, xattrs).prop_map(|(mode, uid, gid, xattrs)| Meta {
        mode: mode.parse().unwrap(),
        uid,
        gid,
        xattrs: Xattrs(xattrs),
    })
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        ("[xyz]{0,2}", meta()).prop_map(|(text, meta)| Thing::File(text.into_bytes(), meta)),
        meta().prop_map(Thing::Dir),
        "[abc]".prop_map(Thing::Link),
    ]
}

fn path() -> impl Strategy<Value = HostPath> {
    "/[abc](/[abc]){0,2}".prop_map(|text| fixed(&text))
}

proptest! {
    #[test]
    fn revert_undoes_any_changes(
        start in prop::collection::vec(("/[ab](/[ab])?", thing()), 0..6),
        changes in prop::collection::vec((path(), prop::option::of(thing())), 0..12),
    ) {
        let mut host = MemHost::default();
        for (path, thing) in start {
            // A later node may hide an earlier one's directory. No host can look like this, so skip
            // it.
            let parents = fixed(&path).as_path().ancestors().skip(1).map(ToString::to_string)
                .collect::<Vec<_>>();
            let is_file = |p: &String| host.nodes.get(&fixed(p)).is_some_and(|t| !t.is_dir());
            if parents.iter().any(is_file) || host.nodes.contains_key(&fixed(&path)) {
                continue;
            }
            match thing {
                Thing::File(bytes, meta) => host.place_as(&path, &bytes, meta),
                Thing::Dir(meta) => host.place_node(&path, Node::Dir { meta }, b""),
                Thing::Link(target) => host.place_node(&path, Node::link(&target), b""),
            }
        }
        let mut world = World::new(&host);
        let new = NewTransaction {
            bundle: Digest::of(b""),
            plan: String::new(),
            boot: BootId::default(),
            began: 0,
        };
        let tx = world.log.begin(&new).unwrap();
        for (path, thing) in changes {
            let mut journal = Journal::new(&mut world.host, &mut world.log, tx, Component::Shared);
            // Errors from the host are expected here.
            let _ = match thing {
                Some(Thing::File(bytes, meta)) => journal.put_bytes(&path, &bytes, meta),
                Some(Thing::Dir(meta)) => journal.put_dir(&path, meta),
                Some(Thing::Link(target)) => journal.put_link(&path, &target),
                None => journal.remove(&path),
            };
        }
        prop_assert_eq!(world.revert().unwrap(), []);
        prop_assert_eq!(world.host.picture(&[]), host.picture(&[]));
    }
}
