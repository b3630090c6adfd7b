use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

/// Checks that a record survives a round trip, and is refused with an unknown field or with any of
/// these replacements in its JSON.
pub(super) fn one_spelling<T>(record: &T, bad: &[(&str, &str)])
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let json = serde_json::to_string(record).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *record);
    let toml = toml::to_string(record).unwrap();
    assert_eq!(toml::from_str::<T>(&toml).unwrap(), *record);
    for (old, new) in bad.iter().chain(&[("{", "{\"more\":1,")]) {
        assert!(json.contains(old), "{old}");
        let other = json.replacen(old, new, 1);
        assert!(serde_json::from_str::<T>(&other).is_err(), "{other}");
    }
}

#[test]
fn a_kind_and_an_origin_have_one_spelling() {
    let tree = Tree { unpacked: 1, window_log: 22 };
    one_spelling(&Kind::Tree(tree), &[("{\"unpacked", "{\"more\":1,\"unpacked"), ("tree", "Tree")]);
    one_spelling(&Kind::Catalog(CatalogRecord {}), &[("{}", "{\"more\":1}")]);
    for other in [
        r#""plain""#,
        r#""catalog""#,
        r#"{"plain":{}}"#,
        r#"{"catalog":null}"#,
        r#"{"catalog":[]}"#,
        r#"{"tree":[1,22]}"#,
        r#"{"tree":{"unpacked":1,"unpacked":1,"window-log":22}}"#,
        r#"{"catalog":{},"catalog":{}}"#,
        r#"{"catalog":{},"tree":{"unpacked":1,"window-log":22}}"#,
        "{}",
        "null",
    ] {
        assert!(serde_json::from_str::<Kind>(other).is_err(), "{other}");
    }
    let url = "https://mirror.example/a".to_owned();
    let reference = "registry.example/dls:2.0.3".parse().unwrap();
    let image = Origin::Image { reference };
    for origin in [Origin::File, Origin::Folder, Origin::Url { url }, Origin::Bundler, image] {
        one_spelling(&origin, &[]);
    }
}
