//! Examples, files, environment and exit statuses for `--help` and the manual.

use vgpu_manifest::ui::help::Manual;

/// Additions to the argument definitions.
pub const MANUAL: Manual = Manual {
    groups: &[
        ("Make a bundle", &["init", "expand", "lock", "update", "fetch", "prove", "build", "sign"]),
        ("Inspect bundles", &["verify", "inspect", "show", "extract", "diff"]),
        ("Carry and compare", &["write", "fleet"]),
        ("Keys, catalog and cache", &["key", "policy", "catalog", "cache"]),
        #[cfg(feature = "pages")]
        ("This machine", &["doctor", "schema", "completions", "man"]),
        #[cfg(not(feature = "pages"))]
        ("This machine", &["doctor", "schema"]),
    ],
    examples: &[
        ("", "init --name gpu --inventory node.json"),
        ("", "lock"),
        ("", "build"),
        ("", "write /media/stick --installer vgpu-installer"),
        ("init", "init"),
        ("init", "init --name gpu --inventory node.json --accept-mirrors"),
        ("init", "init --name gpu --gpu 10de:1e07 --pve 8.4 --driver 16.9"),
        ("expand", "expand"),
        ("expand", "expand --recipe gpu.toml"),
        ("lock", "lock"),
        ("lock", "lock --offline --recipe gpu.toml"),
        ("update", "update"),
        ("update", "update apt/bookworm"),
        ("fetch", "fetch --jobs 8"),
        ("prove", "prove --installer vgpu-installer"),
        ("prove", "prove --installer vgpu-installer --kernel 6.8.12-43-pve"),
        ("build", "build --output bundles"),
        ("build", "build --check --key alice"),
        ("build", "build --since gpu-1.vgpu.tar"),
        ("build", "build --since pve1.json --since pve2.json"),
        ("sign", "sign --key bob gpu-1.vgpu.tar"),
        ("verify", "verify gpu-1.vgpu.tar"),
        ("verify", "verify --threshold 2 gpu-1.vgpu.tar"),
        ("inspect", "inspect gpu-1.vgpu.tar"),
        ("inspect", "inspect --sbom cyclonedx gpu-1.vgpu.tar"),
        ("show", "show gpu-1.vgpu.tar --html gpu-1.html"),
        ("show", "show plan.json --html plan.html"),
        ("show", "show pve1.json --html pve1.html"),
        ("extract", "extract gpu-1.vgpu.tar --output unpacked"),
        ("diff", "diff gpu-1.vgpu.tar gpu-2.vgpu.tar"),
        ("write", "write /media/stick --installer vgpu-installer"),
        ("write", "write /media/stick"),
        ("write", "write /media/stick gpu-1.vgpu.tar --part-size 1GiB"),
        ("write", "write --iso gpu-1.iso --installer vgpu-installer"),
        ("fleet compare", "fleet compare pve1.json pve2.json"),
        ("fleet compare", "fleet compare --html fleet.html pve1.json pve2.json"),
        ("fleet enroll", "fleet enroll pve1.json"),
        ("fleet mappings", "fleet mappings pve1.json pve2.json"),
        ("key generate", "key generate --principal alice"),
        ("key show", "key show --key alice.pub"),
        ("key list", "key list"),
        ("policy init", "policy init --threshold 2 --channel stable"),
        ("policy edit", "policy edit policy-1.toml --trust carol=carol.pub"),
        ("policy edit", "policy edit policy-1.toml --revoke bob --threshold 1"),
        ("policy sign", "policy sign policy-2.toml"),
        ("policy show", "policy show policy-2.toml --after policy-1.toml"),
        ("catalog gpus", "catalog gpus 2080 --branch 16"),
        ("catalog drivers", "catalog drivers --branch 16"),
        ("catalog patches", "catalog patches 16.9"),
        ("catalog matrix", "catalog matrix 2080 --branch 16"),
        ("catalog matrix", "catalog matrix --arch turing --html turing.html"),
        ("catalog why", "catalog why --gpu 10de:1e07 --driver 16.9 --pve 8.4"),
        ("catalog why", "catalog why --gpu 10de:1e07 --driver 16.9 --lock bundle.lock"),
        ("catalog why", "catalog why --evidence --gpu 10de:1e07 --driver 16.9"),
        ("cache list", "cache list"),
        ("cache verify", "cache verify"),
        ("cache gc", "cache gc --unused-for 90 --keep bundle.lock"),
        ("cache path", "cache path"),
        ("doctor", "doctor --recipe bundle.toml"),
        ("schema", "schema"),
        ("schema", "schema vgpu-installer-status"),
        ("completions", "completions bash"),
        ("man", "man /usr/local/share/man/man1"),
    ],
    environment: &[
        ("VGPU_SIGNERS", "allowed signers file, like --signers"),
        ("VGPU_REVOKED", "revoked keys file, like --revoked"),
        ("VGPU_LOGINS", "logins for servers, in netrc syntax"),
        ("NETRC", "file with such logins, instead of ~/.netrc"),
        ("SSH_AUTH_SOCK", "ssh-agent with signing keys"),
        ("http_proxy", "proxies; also https_proxy and no_proxy"),
        ("XDG_CACHE_HOME", "parent of the cache folder"),
        ("XDG_CONFIG_HOME", "parent of the folder with keys and signers"),
        ("SOURCE_DATE_EPOCH", "time of a new lock, in seconds since 1970"),
        ("NO_COLOR", "like --color never, if not empty"),
    ],
    files: &[
        ("bundle.toml", "the recipe"),
        ("bundle.lock", "the recipe's inputs, pinned by digest"),
        ("bundle.prove.log", "the log of the last `prove`"),
        ("$XDG_CONFIG_HOME/vgpu-offline/key", "private signing key"),
        ("$XDG_CONFIG_HOME/vgpu-offline/allowed_signers", "trusted signers"),
        ("$XDG_CONFIG_HOME/vgpu-offline/revoked_keys", "revoked keys"),
        ("$XDG_CACHE_HOME/vgpu-offline", "cache of downloads"),
    ],
    exit_status: &[
        ("0", "done"),
        ("1", "failed"),
        ("2", "usage error"),
        ("3", "untrusted or corrupt"),
        ("4", "unsuitable for its target"),
        ("5", "different"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    #[test]
    fn examples_and_groups_match_the_command_line() {
        for (path, line) in MANUAL.examples {
            let words = std::iter::once("vgpu-bundler").chain(line.split(' '));
            command().try_get_matches_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(line.starts_with(path), "{line}");
        }
        let mut grouped: Vec<&str> =
            MANUAL.groups.iter().flat_map(|(_, names)| *names).copied().collect();
        let tree = command();
        let mut all: Vec<&str> = tree.get_subcommands().map(clap::Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }
}
