//! Examples, files, environment and exit statuses for `--help` and the manual.

use vgpu_manifest::ui::help::Manual;

/// Additions to the argument definitions.
pub const MANUAL: Manual = Manual {
    groups: &[
        ("Apply a bundle", &["verify", "inspect", "check", "plan", "apply"]),
        ("Inspect this host", &["status", "report", "inventory", "guest-drivers"]),
        ("Undo and repair", &["revert", "remove", "repair", "forget"]),
        ("Trust, licensing and storage", &["trust", "license", "store"]),
    ],
    examples: &[
        ("", "verify /media/stick/gpu-1.vgpu.tar"),
        ("", "plan /media/stick/gpu-1.vgpu.tar"),
        ("", "apply /media/stick/gpu-1.vgpu.tar"),
        ("", "status"),
        ("", "revert"),
        ("verify", "verify /media/stick/gpu-1.vgpu.tar"),
        ("verify", "verify --deep /media/stick/gpu-1.vgpu.tar.001"),
        ("verify", "verify --upstream /media/stick/gpu-1.vgpu.tar"),
        ("inspect", "inspect --json /media/stick/gpu-1.vgpu.tar"),
        ("check", "check /media/stick/gpu-1.vgpu.tar"),
        ("check", "check --kernel 6.17.13-1-pve"),
        ("check", "check --evidence /media/stick/gpu-1.vgpu.tar"),
        ("plan", "plan --explain /media/stick/gpu-1.vgpu.tar"),
        ("plan", "plan --output plan.json /media/stick/gpu-1.vgpu.tar"),
        ("apply", "apply /media/stick/gpu-1.vgpu.tar"),
        ("apply", "apply --plan plan.json /media/stick/gpu-1.vgpu.tar"),
        ("apply", "apply --vgpu 0000:81:00.0 --passthrough others gpu-1.vgpu.tar"),
        ("status", "status"),
        ("status", "status --json"),
        ("report", "report --output /media/stick/pve1.json"),
        ("report", "report --sign --output /media/stick/pve1.json"),
        ("inventory", "inventory --output /media/stick/node.json"),
        ("guest-drivers", "guest-drivers"),
        ("revert", "revert"),
        ("revert", "revert --all"),
        ("remove", "remove"),
        ("remove", "remove --component driver --component kernel-pin"),
        ("repair", "repair"),
        ("repair", "repair --heal"),
        ("repair", "repair --give-up /etc/default/grub.d/vgpu-offline.cfg"),
        ("forget", "forget"),
        ("trust add", "trust add /media/stick/alice.pub --principal alice"),
        ("trust list", "trust list --json"),
        ("trust remove", "trust remove alice"),
        ("trust revoke", "trust revoke alice"),
        ("trust revoke", "trust revoke --key leaked.pub"),
        ("trust set-floor", "trust set-floor stable 7"),
        ("trust set-upstream", "trust set-upstream required"),
        ("trust update", "trust update policies"),
        ("trust update", "trust update policy-2.toml alice.sig bob.sig"),
        ("license use", "license use --token client_configuration_token.tok"),
        ("license use", "license use https://dls.example:8443 --root-cert license-root.crt"),
        ("license appliance", "license appliance gpu-1.vgpu.tar --output /var/lib/vz/import"),
        ("license install", "license install gpu-1.vgpu.tar --address 192.0.2.10"),
        ("license status", "license status"),
        ("license backup", "license backup /root/license-backup.tar"),
        ("license restore", "license restore /root/license-backup.tar"),
        ("license token", "license token --output guest.tok"),
        ("license guests", "license guests /root/guests"),
        ("license remove", "license remove"),
        ("store gc", "store gc --dry-run"),
        ("store add", "store add /media/stick/gpu-1.vgpu.tar"),
        ("store add", "store add gpu-2.delta.vgpu.tar --base gpu-1.vgpu.tar"),
        ("store add", "store add gpu-2.delta.vgpu.tar --base /mnt/pve1-store"),
        ("sriov", "sriov"),
        ("guard", "guard"),
    ],
    environment: &[("NO_COLOR", "like --color never, if not empty")],
    files: &[
        ("/etc/vgpu-offline/policy.toml", "trusted keys, channels and thresholds"),
        ("/var/lib/vgpu-offline", "journal, undo store, item store and floors"),
        ("/var/log/vgpu-offline/installer.log", "log of every command that was run"),
        ("/var/lib/vgpu-offline-license", "keys and leases of the license server"),
    ],
    exit_status: &[
        ("0", "done"),
        ("1", "failed"),
        ("2", "usage error"),
        ("3", "untrusted or corrupt"),
        ("4", "host unsuitable"),
        ("5", "drifted"),
        ("10", "done, and a reboot is needed"),
        ("130", "interrupted by SIGINT, SIGTERM or SIGHUP; run it again"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn examples_and_groups_match_the_command_line() {
        for (path, line) in MANUAL.examples {
            let words = std::iter::once("vgpu-installer").chain(line.split(' '));
            command().try_get_matches_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(line.starts_with(path), "{line}");
        }
        let mut grouped: Vec<&str> =
            MANUAL.groups.iter().flat_map(|(_, names)| *names).copied().collect();
        let tree = command();
        let shown = tree.get_subcommands().filter(|command| !command.is_hide_set());
        let mut all: Vec<&str> = shown.map(clap::Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }
}
