//! Single steps with GNU tar, sha256sum, ssh-keygen and Python.

use std::fs;
use std::os::unix::fs::FileExt;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::Principal;
use vgpu_manifest::{Bundle, ItemMode};
use vgpu_tests::sample::{CREATED, Sample, parts};
use vgpu_tests::skip::have;

use super::tools::{fed, lines, ok, run};

const OWN: [&str; 3] = ["SIGNATURES", "SHA256SUMS", "MANIFEST.json"];

/// Returns a signed bundle, and a folder into which GNU tar has unpacked it.
fn unpacked() -> (Sample, Utf8PathBuf, Utf8PathBuf) {
    let sample = Sample::new().unwrap();
    let bundle = sample.write("good.vgpu.tar", &parts(), &["alice"]).unwrap();
    fs::write(sample.path("allowed_signers"), sample.allowed_signers().unwrap()).unwrap();
    let folder = sample.path("unpacked");
    fs::create_dir(&folder).unwrap();
    let output = run(&folder, "tar", &["-xf", bundle.as_str()]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    (sample, bundle, folder)
}

fn names() -> Vec<String> {
    OWN.into_iter().map(str::to_owned).chain(parts().into_iter().map(|part| part.name)).collect()
}

#[test]
fn gnu_tar_lists_and_unpacks_what_we_write() {
    if !have("tar") {
        return;
    }
    let (_sample, bundle, folder) = unpacked();
    assert_eq!(lines(ok(&folder, "tar", &["-tf", bundle.as_str()])), names());
    for part in parts() {
        assert!(fs::read(folder.join(&part.name)).unwrap() == part.bytes, "{}", part.name);
    }
    for line in lines(ok(&folder, "tar", &["--numeric-owner", "--utc", "-tvf", bundle.as_str()])) {
        let mode = if line.ends_with("bin/tool") { "-rwxr-xr-x 0/0 " } else { "-rw-r--r-- 0/0 " };
        assert!(line.starts_with(mode) && line.contains(" 2023-11-14 22:13 "), "{line}");
    }
}

#[test]
fn gnu_tar_writes_the_same_archive_to_the_last_byte() {
    if !have("tar") {
        return;
    }
    let (sample, bundle, folder) = unpacked();
    let (again, time) = (sample.path("again.tar"), format!("--mtime=@{CREATED}"));
    let options =
        ["--format=ustar", "-b1", "--owner=0", "--group=0", "--numeric-owner", &time, "-cf"];
    let names = names();
    let words: Vec<&str> = options
        .into_iter()
        .chain([again.as_str()])
        .chain(names.iter().map(String::as_str))
        .collect();
    ok(&folder, "tar", &words);
    assert!(fs::read(&again).unwrap() == fs::read(&bundle).unwrap());
}

#[test]
fn sha256sum_takes_the_signed_list_strictly() {
    if !["tar", "sha256sum"].into_iter().all(have) {
        return;
    }
    let (_sample, _bundle, folder) = unpacked();
    let said = lines(ok(&folder, "sha256sum", &["-c", "--strict", "SHA256SUMS"]));
    let expected: Vec<String> = names()[2..].iter().map(|name| format!("{name}: OK")).collect();
    assert_eq!(said, expected);
}

#[test]
fn ssh_keygen_verifies_each_slot_as_dd_takes_it_out() {
    if !["tar", "dd", "ssh-keygen"].into_iter().all(have) {
        return;
    }
    let (sample, bundle, folder) = unpacked();
    let verified = Bundle::open(&bundle).unwrap().verify(&sample.policy(1).unwrap()).unwrap();
    assert_eq!(verified.cosign(sample.key("bob").unwrap()).unwrap(), 2);
    let signers = sample.path("allowed_signers");
    for (slot, who) in [(1, "alice"), (2, "bob")] {
        let take = format!("skip={slot}");
        ok(&folder, "dd", &["bs=512", "count=1", &take, &format!("if={bundle}"), "of=slot"]);
        let words =
            ["-Y", "verify", "-f", signers.as_str(), "-I", who, "-n", "vgpu-bundle", "-s", "slot"];
        let said = lines(fed(&folder, "SHA256SUMS", "ssh-keygen", &words));
        assert!(said[0].starts_with(&format!("Good \"vgpu-bundle\" signature for {who}")));
    }
}

#[test]
fn a_signature_that_ssh_keygen_made_by_hand_counts() {
    if !["tar", "ssh-keygen"].into_iter().all(have) {
        return;
    }
    let (sample, bundle, folder) = unpacked();
    for (slot, who) in [(5, "bob"), (8, "alice-2")] {
        let key = sample.keys().join(who);
        let words = ["-Y", "sign", "-f", key.as_str(), "-n", "vgpu-bundle"];
        let signature = fed(&folder, "SHA256SUMS", "ssh-keygen", &words);
        let file = fs::File::options().write(true).open(&bundle).unwrap();
        file.write_all_at(&signature, slot * 512).unwrap();
    }
    let verified = Bundle::open(&bundle).unwrap().verify(&sample.policy(2).unwrap()).unwrap();
    let who: Vec<&str> = verified.trusted().principals.iter().map(Principal::as_str).collect();
    assert_eq!(who, ["alice", "bob"]);
    assert_eq!(verified.trusted().uncounted.len(), 1, "alice signed with two keys");
}

/// An independent tar reader (Python's) reads the same content.
#[test]
fn python_sees_the_same_members() {
    const SCRIPT: &str = "
import hashlib, sys, tarfile
for m in tarfile.open(sys.argv[1], 'r:'):
    assert m.isreg() and (m.uid, m.gid, m.uname, m.gname) == (0, 0, '', ''), m
    digest = hashlib.sha256(tarfile.open(sys.argv[1]).extractfile(m).read()).hexdigest()
    print(m.name, m.size, oct(m.mode), m.mtime, digest)
";
    if !have("python3") {
        return;
    }
    let sample = Sample::new().unwrap();
    let bundle = sample.write("good.vgpu.tar", &parts(), &["alice"]).unwrap();
    let said = lines(ok(Utf8Path::new("/"), "python3", &["-c", SCRIPT, bundle.as_str()]));
    let expected: Vec<String> = parts()
        .iter()
        .map(|part| {
            let mode = if part.mode == ItemMode::Executable { "0o755" } else { "0o644" };
            let digest = vgpu_manifest::Digest::of(&part.bytes);
            format!("{} {} {mode} {CREATED} {digest}", part.name, part.bytes.len())
        })
        .collect();
    assert_eq!(said[3..], expected);
}
