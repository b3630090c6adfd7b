use crate::recipe::{Expired, Fault, Indexes, Node, Recipe};
use crate::types::Upgrades;

const GOOD: &str = r#"
[bundle]
name = "n"
channel = "c"

[[file]]
name = "a"
path = "a"

[[apt]]
release = "bookworm"
install = ["dkms", "gcc=4:12.2.0-3"]
inventory = "node.json"
carry-index = true

[[apt.archive]]
name = "bookworm"
mirror = ["https://mirror.example/debian", "file:/media/debian"]
components = ["main", "contrib"]
keyring = "keys/debian.gpg"
signed-by = ["4CB50190207B4758A3F73A796ED0E7B82643E131"]

[[apt.archive]]
name = "backports"
mirror = "https://mirror.example/debian"
suite = "bookworm-backports"
components = ["main"]
priority = 100
keyring = "keys/debian.gpg"
signed-by = "4CB50190207B4758A3F73A796ED0E7B82643E131"
expired = "accept"

[[file]]
name = "b"
path = "b"
"#;

fn fault(old: &str, new: &str) -> (usize, String) {
    assert!(GOOD.contains(old), "{old}");
    let text = GOOD.replacen(old, new, 1);
    let Fault { span, what } = Recipe::parse(&text).expect_err(new);
    (1 + text[..span.start].matches('\n').count(), what)
}

#[test]
fn packages_stand_between_the_items_around_them() {
    let recipe = Recipe::parse(GOOD).unwrap();
    let [apt] = &recipe.apt[..] else { panic!("{:?}", recipe.apt) };
    assert_eq!(apt.at, 1);
    assert_eq!((apt.upgrades, apt.indexes), (Upgrades::Never, Indexes::Carry));
    assert!(matches!(&apt.node, Node::Inventory(path) if path.to_string() == "node.json"));
    let requests: Vec<_> = apt.install.iter().map(ToString::to_string).collect();
    assert_eq!(requests, ["dkms", "gcc=4:12.2.0-3"]);
    let [main, backports] = &apt.archives[..] else { panic!("{:?}", apt.archives) };
    assert_eq!((main.suite.as_str(), main.priority, main.mirrors.len()), ("bookworm", 500, 2));
    assert_eq!((backports.suite.as_str(), backports.priority), ("bookworm-backports", 100));
    assert_eq!((main.expired, backports.expired), (Expired::Refuse, Expired::Accept));
    let other = Recipe::parse(&GOOD.replace("dkms", "mdevctl")).unwrap();
    assert_ne!(other.digest(), recipe.digest());
}

#[test]
fn every_fault_of_packages_is_found_where_it_is() {
    let archive = "[[apt.archive]]\nname = \"bookworm\"";
    let cases = [
        ("\"dkms\", ", "\"DKMS\", ", 12, "is not the name of a package"),
        ("4:12.2.0-3", "x", 12, "is not the version"),
        ("\"dkms\", ", "\"gcc\", ", 12, "`gcc` is listed twice"),
        ("[\"dkms\", \"gcc=4:12.2.0-3\"]", "[]", 12, "at least one package"),
        ("carry-index = true", "installed = \"status\"", 10, "exclude each other"),
        ("carry-index = true", "upgrades = \"maybe\"", 14, "unknown variant"),
        ("carry-index = true", "carry = true", 14, "unknown field"),
        (archive, "[[apt.archive]]\nname = \"backports\"", 24, "called `backports` already"),
        ("name = \"bookworm\"", "name = \"book worm\"", 17, "is not the name of an archive"),
        ("https://mirror.example/debian\", ", "https://me:pw@mirror.example/\", ", 18, "netrc"),
        ("[\"main\", \"contrib\"]", "[]", 19, "at least one"),
        ("[\"main\", \"contrib\"]", "[\"../main\"]", 19, "is not a suite or component"),
        ("[\"4CB5", "[\"4cb5", 21, "fingerprint"),
        ("[\"4CB50190207B4758A3F73A796ED0E7B82643E131\"]", "[]", 21, "at least one"),
        ("priority = 100", "priority = 100000", 28, "invalid value"),
        (
            "keyring = \"keys/debian.gpg\"",
            "keyring = \"a\"\nkeyring-url = \"file:/a\"",
            21,
            "exclude each other",
        ),
        (
            "signed-by = [\"4CB50190207B4758A3F73A796ED0E7B82643E131\"]",
            "",
            17,
            "`bookworm` needs `signed-by`",
        ),
        (
            "[[file]]\nname = \"b\"",
            "[[apt]]\nrelease = \"bookworm\"\ninstall = [\"a\"]\n[[file]]\nname = \"b\"",
            34,
            "already",
        ),
        (
            "[[file]]\nname = \"b\"",
            "[[apt]]\nrelease = \"trixie\"\ninstall = [\"a\"]\n[[file]]\nname = \"b\"",
            33,
            "`[[apt.archive]]`",
        ),
    ];
    for (old, new, line, word) in cases {
        let (at, what) = fault(old, new);
        assert!(what.contains(word), "{new}: {what}");
        assert!(at.abs_diff(line) <= 1, "{new}: line {at} instead of {line}: {what}");
        assert!(!what.contains("pw"), "{what}");
    }
}
