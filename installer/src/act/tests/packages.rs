//! Packages on the simulated host: installed, interrupted, resumed, and reverted.

use vgpu_manifest::Digest;
use vgpu_manifest::package::PackageReason;

use crate::component::Component;
use crate::host::testing::MemHost;
use crate::host::{Content, WorkPath};
use crate::journal::{Kept, KeptThing, TxState, Why, remove};
use crate::packages::PackageFile;
use crate::plan::{ApplyError, Origin, Plan, apply};
use crate::power_cut::{World, cut_everywhere};
use crate::state;
use crate::step::{InstallPackages, KeepRepository, Step};
use vgpu_manifest::RepositoryStyle;

/// A package file with one stanza.
pub(crate) fn bytes(name: &str, version: &str, needs: &str) -> String {
    format!("Package: {name}\nVersion: {version}\nDepends: {needs}\n")
}

pub(crate) fn file(name: &str, version: &str, reason: PackageReason, needs: &str) -> PackageFile {
    let bytes = bytes(name, version, needs);
    let fields = (!needs.is_empty())
        .then(|| ("Depends".parse().unwrap(), needs.parse().unwrap()))
        .into_iter();
    PackageFile {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        arch: "amd64".parse().unwrap(),
        reason,
        content: Content::of(bytes.as_bytes()),
        sha256: Digest::of(bytes.as_bytes()),
        fields: fields.collect(),
    }
}

/// dkms needs make, and a newer libc than the host's, whose old file is included.
pub(crate) fn files() -> Vec<PackageFile> {
    use PackageReason::{Needed, Requested, Return, Upgrade};
    vec![
        file("dkms", "3.0.10-8", Requested, "make, libc6"),
        file("make", "4.3-4.1", Needed, ""),
        file("libc6", "2.36-9+deb12u7", Upgrade, ""),
        file("mdevctl", "1.2-3", Requested, ""),
        file("libc6", "2.36-9", Return, ""),
    ]
}

fn host() -> MemHost {
    let mut host = MemHost::with_files(&[("/usr/share/libc6", "2.36-9")])
        .with_package("libc6", "2.36-9", "auto")
        .with_package("bash", "5.2", "manual");
    for (name, version, needs) in [
        ("dkms", "3.0.10-8", "make, libc6"),
        ("make", "4.3-4.1", ""),
        ("libc6", "2.36-9+deb12u7", ""),
        ("mdevctl", "1.2-3", ""),
        ("libc6", "2.36-9", ""),
        ("dkms", "3.0.10-8", ""),
    ] {
        let bytes = bytes(name, version, needs);
        let stored = state::stored(Content::of(bytes.as_bytes()).id);
        host.place(stored.as_path().as_str(), &bytes);
    }
    host
}

fn carry_out(world: &mut World, files: &[PackageFile]) -> Result<(), ApplyError> {
    let step = Step::InstallPackages(InstallPackages { files: files.to_vec() });
    let plan = Plan::new(vec![step], Vec::new());
    let origin =
        Origin { bundle: Digest::of(b"a bundle"), boot: crate::journal::BootId::default() };
    apply(&mut world.host, &mut world.log, &origin, &plan, &mut |_| {}).map(|_| ())
}

#[test]
fn what_was_asked_for_comes_with_what_it_needs_and_goes_again() {
    let before = host();
    let mut world = World::new(&before);
    carry_out(&mut world, &files()).unwrap();
    let expected = [
        "bash 5.2 installed",
        "dkms 3.0.10-8 installed",
        "make 4.3-4.1 installed",
        "mdevctl 1.2-3 installed",
    ];
    let packages = world.host.packages();
    for line in expected {
        assert!(packages.iter().any(|one| one == line), "{line} in {packages:?}");
    }
    assert!(!world.host.nodes.contains_key(&*WorkPath::area()), "the work area is gone");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}

#[test]
fn what_is_there_already_is_not_asked_for() {
    let before = host().with_package("dkms", "3.0.11-1", "manual");
    let mut world = World::new(&before);
    carry_out(&mut world, &files()).unwrap();
    let apt = world.host.ran.iter().find(|line| line.starts_with("apt-get")).unwrap();
    assert!(apt.ends_with("install mdevctl=1.2-3"), "{apt}");
    world.host.ran.clear();
    carry_out(&mut world, &files()).unwrap();
    assert_eq!(world.host.ran, Vec::<String>::new());
}

#[test]
fn a_power_cut_at_any_change_can_be_resumed_and_reverted() {
    let mut files = files();
    files.retain(|file| file.name.as_str() != "mdevctl");
    let apply = |world: &mut World| carry_out(world, &files).map_err(|error| error.to_string());
    let cuts = cut_everywhere(&host(), &apply);
    assert!(cuts > 500, "only {cuts} power cuts tried");
}

#[test]
fn an_upgrade_goes_back_where_the_old_file_rides_along_and_is_named_where_not() {
    use PackageReason::{Requested, Return};
    let upgrade =
        [file("libc6", "2.36-9+deb12u7", Requested, ""), file("libc6", "2.36-9", Return, "")];
    let before = host();
    let mut world = World::new(&before);
    carry_out(&mut world, &upgrade).unwrap();
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]), "the mark is back as well");

    let mut world = World::new(&before);
    carry_out(&mut world, &upgrade[..1]).unwrap();
    let what = KeptThing::Named { kind: "package".to_owned(), name: "libc6".to_owned() };
    assert_eq!(world.revert().unwrap(), [Kept { what, why: Why::Newer }]);
}

#[test]
fn packages_that_were_installed_since_keep_their_dependencies() {
    let mut world = World::new(&host());
    carry_out(&mut world, &files()).unwrap();
    let text = world.host.text_of("/var/lib/dpkg/status").unwrap();
    let theirs = "Architecture: all\nDepends: make\nPackage: theirs\nStatus: install ok installed\nVersion: 1\n\n";
    world.host.place("/var/lib/dpkg/status", &(text + theirs));
    let error = world.revert().unwrap_err().to_string();
    assert!(error.contains("apt would also remove `theirs`"), "{error}");
    let tx = world.log.transactions().unwrap().remove(0);
    assert_eq!(tx.state, TxState::Applied, "it was asked before anything was taken back");
    assert!(!world.host.nodes.contains_key(&*WorkPath::area()), "the work area is gone");
    let components = [Component::Packages].into();
    let error = remove(&mut world.host, &mut world.log, &components, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("apt would also remove `theirs`"), "{error}");
    assert!(world.log.transactions().unwrap()[0].removed.is_empty());
    assert!(world.host.packages().iter().any(|one| one.starts_with("make ")));
}

#[test]
fn the_packages_of_several_bundles_go_to_what_there_was_before_the_first() {
    use PackageReason::{Needed, Requested, Upgrade};
    let before = host().with_package("awk", "1", "manual");
    let mut world = World::new(&before);
    carry_out(&mut world, &files()).unwrap();
    // A later make that the first bundle does not have, and whose old file is not included.
    let newer = [file("mdevctl", "1.4-1", Requested, ""), file("make", "4.4-1", Upgrade, "")];
    let newer = [newer.as_slice(), &[file("dkms", "3.0.10-8", Needed, "make")]].concat();
    for file in &newer {
        let stored = state::stored(file.content.id);
        let needs = if file.name.as_str() == "dkms" { "make" } else { "" };
        let text = bytes(file.name.as_str(), file.version.as_str(), needs);
        world.host.place(stored.as_path().as_str(), &text);
    }
    carry_out(&mut world, &newer).unwrap();
    assert!(world.host.packages().iter().any(|one| one.starts_with("mdevctl 1.4-1")));
    let components = [Component::Packages].into();
    let kept = remove(&mut world.host, &mut world.log, &components, &mut |_| {}).unwrap();
    assert_eq!(kept, [], "what stayed newer for a moment is gone in the end");
    assert_eq!(world.host.packages(), before.packages());
}

#[test]
fn nothing_changes_if_apt_would_do_more_than_the_bundle_names() {
    use PackageReason::Requested;
    let before = host();
    for (output, expected) in [
        ("Inst dkms (3.0.10-8 [all])\nInst sudo (1 [amd64])\n", "also install or change `sudo`"),
        ("Inst dkms (9 [all])\n", "also install or change `dkms`"),
        ("Inst dkms (3.0.10-8 [all])\nRemv bash [5.2]\n", "also remove `bash`"),
        ("Inst proxmox-ve (8 [all])\n", "change `proxmox-ve`, which is never touched"),
        ("Inst dkms:i386 (3.0.10-8 [i386])\n", "cannot parse the output of `apt-get --simulate`"),
    ] {
        OUTPUT.set(output);
        let mut world = World::new(&before);
        world.host.programs.insert("apt-get", |host, args| {
            OUTPUT.get().clone_into(&mut host.stdout);
            Ok(if args.contains(&"--simulate") || args.contains(&"update") { 0 } else { 99 })
        });
        let files = [file("dkms", "3.0.10-8", Requested, "")];
        let error = carry_out(&mut world, &files).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(world.host.picture(&[]), before.picture(&[]));
        assert_eq!(world.revert().unwrap(), []);
    }
}

thread_local! {
    static OUTPUT: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

#[test]
fn an_apt_that_fails_half_way_is_reported_and_can_be_taken_back() {
    let before = host();
    let mut world = World::new(&before);
    let mut all = files();
    all.retain(|file| file.name.as_str() != "make");
    let error = carry_out(&mut world, &all).unwrap_err().to_string();
    assert!(error.contains("apt cannot satisfy the request"), "{error}");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}

#[test]
fn a_repository_stays_on_request_in_either_form() {
    for (style, path, line) in [
        (RepositoryStyle::Deb822, "/etc/apt/sources.list.d/vgpu-offline.sources", "Trusted: yes"),
        (
            RepositoryStyle::List,
            "/etc/apt/sources.list.d/vgpu-offline.list",
            "[trusted=yes] file:/var/lib/vgpu-offline-repository ./",
        ),
    ] {
        let before = host();
        let mut world = World::new(&before);
        let step = Step::KeepRepository(KeepRepository { style, files: files() });
        let plan = Plan::new(vec![step], Vec::new());
        let origin = Origin { bundle: Digest::of(b"a"), boot: crate::journal::BootId::default() };
        apply(&mut world.host, &mut world.log, &origin, &plan, &mut |_| {}).unwrap();
        assert!(world.host.text_of(path).unwrap().contains(line));
        let index = "/var/lib/vgpu-offline-repository/Packages";
        assert!(world.host.text_of(index).unwrap().contains("Filename: ./dkms_3.0.10-8_amd64.deb"));
        assert_eq!(world.revert().unwrap(), []);
        assert_eq!(world.host.picture(&[]), before.picture(&[]));
    }
}
