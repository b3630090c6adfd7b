mod portal;

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

use vgpu_manifest::Digest;
use vgpu_manifest::catalog::DeviceId;
use vgpu_manifest::driver::{DriverKind, Variant};
use vgpu_manifest::patch::Patch;

use super::*;

/// Returns whether `tool` is installed; otherwise the test is skipped.
fn have(tool: &str) -> bool {
    let is_there = Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !is_there {
        assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs {tool}");
        eprintln!("skipped: needs {tool}");
    }
    is_there
}

/// Returns the output of `tool` for `input`.
fn pipe(tool: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut file = file(input);
    file.rewind().unwrap();
    let output = Command::new(tool).args(arguments).stdin(file).output().unwrap();
    assert!(output.status.success(), "{tool}: {output:?}");
    output.stdout
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

const CONFIG: &str = r#"<vgpuconfig>
<vgpuType id="256" name="T-1Q" class="Quadro"><framebuffer>0x1000</framebuffer></vgpuType>
<pgpu><devId vendorId="0x10de" deviceId="0x1E30" subsystemId="0x0"/>
<supportedVgpu vgpuId="256"><maxVgpus>4</maxVgpus></supportedVgpu></pgpu></vgpuconfig>"#;
const BLOB: &[u8] = b"\x7fELF\0\nline\0two\nthree\n";

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn host_files() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("./is_vgpu_host_package.txt", b""),
        ("./kernel/nvidia/nv-kernel.o_binary", BLOB),
        ("./vgpuConfig.xml", CONFIG.as_bytes()),
    ]
}

/// Returns a package of this name with a compressed payload.
fn package(folder: &str, payload: &[u8]) -> Vec<u8> {
    let version = "535.230.02";
    let mut body = format!(
        "skip=9\nlabel=\"a test\"\nversion_string={version}\ntargetdir={folder}\n\
         TARGET_OS=\"Linux\"\nexit 0\nskip=\"$later\"\n"
    )
    .into_bytes();
    // Lines 4 to 10; a payload at line 9 has two lines too many.
    let keep = body.split_inclusive(|b| *b == b'\n').take(5).map(<[u8]>::len).sum();
    body.truncate(keep);
    body.extend_from_slice(payload);
    let crc = String::from_utf8(pipe("cksum", &[], &body)).unwrap();
    let md5 = String::from_utf8(pipe("md5sum", &[], &body)).unwrap();
    let crc = crc.split(' ').next().unwrap();
    let mut text = format!("#! /bin/sh\nCRCsum={crc}\nMD5={}\n", &md5[..32]).into_bytes();
    text.extend_from_slice(&body);
    text
}

const HOST: &str = "NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm";

fn gzip(files: &[(&str, &[u8])]) -> Vec<u8> {
    pipe("gzip", &["-9n"], &tar(files))
}

fn host() -> Vec<u8> {
    package(HOST, &gzip(&host_files()))
}

fn examine(bytes: &[u8], patches: &[&str]) -> anyhow::Result<Examined> {
    let package = Package::open(file(bytes))?;
    package.expect(DriverKind::Host)?;
    let parse = |patch: &&str| Patch::parse(patch.as_bytes()).unwrap();
    package.examine(None, &patches.iter().map(parse).collect::<Vec<_>>())
}

fn refusal(bytes: &[u8]) -> String {
    examine(bytes, &[]).map(drop).unwrap_err().to_string()
}

#[test]
fn three_compressions_say_the_same() {
    for (tool, arguments) in
        [("gzip", &["-9n"][..]), ("xz", &["-c", "--x86", "--lzma2"]), ("zstd", &["-19", "-q"])]
    {
        if !have(tool) {
            continue;
        }
        let payload = pipe(tool, arguments, &tar(&host_files()));
        let bytes = package(HOST, &payload);
        let package = Package::open(file(&bytes)).unwrap();
        assert_eq!(package.version().as_str(), "535.230.02");
        assert_eq!(package.variant(), Variant::Original);
        let config = examine(&bytes, &[]).unwrap().config.unwrap();
        assert_eq!(config.bytes, CONFIG.as_bytes(), "{tool}");
        assert_eq!(config.parsed.devices(), [DeviceId(0x1e30)]);
        // A truncated file is reported as such at every length.
        let cuts = [bytes.len() - payload.len() + 1, bytes.len() - payload.len() / 2];
        for cut in cuts.into_iter().chain([bytes.len() - 1]) {
            let message = refusal(&bytes[..cut]);
            let word = if cut == cuts[0] { "payload" } else { "truncated" };
            assert!(message.contains(word), "{tool}, {cut}: {message}");
        }
    }
}

#[test]
fn patches_are_proven_against_the_payload() {
    let patch = "--- ./kernel/nvidia/nv-kernel.o_binary\n+++ kernel/nvidia/nv-kernel.o_binary\n\
        @@ -2,2 +2,2 @@\n-line\0two\n+line\0TWO\n three\n";
    let new = "--- /dev/null\n+++ new/file\n@@ -0,0 +1 @@\n+x\n";
    let proofs = examine(&host(), &[patch, new]).unwrap().proofs;
    let after = BLOB.to_ascii_uppercase();
    assert_eq!(proofs[0][0].path.as_str(), "kernel/nvidia/nv-kernel.o_binary");
    assert_eq!(proofs[0][0].before, Some(Digest::of(BLOB)));
    assert_eq!(proofs[0][0].after, Some(Digest::of(b"\x7fELF\0\nline\0TWO\nthree\n")));
    assert_ne!(proofs[0][0].after, Some(Digest::of(&after)));
    assert_eq!(proofs[1][0].before, None);
    assert_eq!(proofs[1][0].after, Some(Digest::of(b"x\n")));

    let message = |patches: &[&str]| examine(&host(), patches).unwrap_err().to_string();
    assert!(message(&[&patch.replace("three", "four")]).contains("line 3 of the file"));
    assert!(message(&[&patch.replace("nv-kernel", "nv-other")]).contains("no such file"));
    assert!(message(&[patch, patch]).contains("two patches change"));
}

#[test]
fn what_is_not_the_driver_is_refused_by_its_own_name() {
    let page = "\r\n<!DOCTYPE html><html><head><TITLE>Just a moment…</TITLE></head></html>";
    let guest = package("NVIDIA-Linux-x86_64-535.230.02-grid", &gzip(&[("./a", b"")]));
    let marked = package("NVIDIA-Linux-x86_64-535.230.02-grid", &gzip(&host_files()));
    let plain = package("NVIDIA-Linux-x86_64-535.230.02", &gzip(&[("./a", b"")]));
    let mut flipped = host();
    *flipped.last_mut().unwrap() ^= 1;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let other_os = text(&host()[..200]).replace("\"Linux\"", "\"FreeBSD\"");
    let no_skip = text(&host()[..200]).replace("skip=9", "skip=x");
    let crlf = text(&host()).replace('\n', "\r\n");
    let denied = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Request has \
        expired</Message></Error>";
    let cases: [(&[u8], &str); 19] = [
        (crlf.as_bytes(), "line ends were converted to CR LF; transfer it again as a binary file"),
        (
            denied.as_bytes(),
            "of a storage server, not a driver: AccessDenied (Request has expired); get a new address",
        ),
        (b"", "empty"),
        (page.as_bytes(), "a web page (\"Just a moment…\")"),
        (
            b"{\"code\":401,\"message\":\"x\x1b[2J\"}",
            "an answer of a server, not a driver: `{\\\"code",
        ),
        (b"\x7fELF\x02", "Linux program"),
        (b"MZ\x90", "Windows program"),
        (b"!<arch>\ndebian", "Debian package"),
        (b"\0\0\0", "does not begin as one"),
        (b"#!/bin/bash\necho\n\n\n", "a script without `CRCsum=`"),
        (&host()[..30], "in its first lines"),
        (&host()[..100], "no usable `version_string`"),
        (&guest, "the file is the guest driver 535.230.02, expected the host driver"),
        (&plain, "neither the host driver"),
        (&flipped, "MD5 is"),
        (other_os.as_bytes(), "for `FreeBSD`"),
        (no_skip.as_bytes(), "no usable `skip`"),
        (&package(HOST, b"BZh91AY"), "begins with 42 5a 68 39 31 41"),
        (&package(HOST, &gzip(&[("./a", b"")])), "its payload contradicts that"),
    ];
    for (bytes, word) in cases {
        let message = refusal(bytes);
        assert!(message.contains(word), "{word}: {message}");
    }
    let package = Package::open(file(&marked)).unwrap();
    assert_eq!(package.kind(), DriverKind::Guest);
    let error = package.examine(None, &[]).unwrap_err().to_string();
    assert!(error.contains("its payload contradicts that"), "{error}");
}

#[test]
fn the_driver_of_ai_enterprise_is_a_host_driver() {
    let bytes = package(&format!("{HOST}-aie"), &gzip(&host_files()));
    let package = Package::open(file(&bytes)).unwrap();
    assert_eq!((package.kind(), package.variant()), (DriverKind::Host, Variant::Enterprise));
    assert!(examine(&bytes, &[]).unwrap().config.is_some());
}

#[test]
fn odd_payloads_are_refused() {
    let mut link = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    link.append_link(&mut header, "./vgpuConfig.xml", "/etc/passwd").unwrap();
    let link = pipe("gzip", &["-n"], &link.into_inner().unwrap());
    assert!(refusal(&package(HOST, &link)).contains("is not a regular file"));

    let mut twice = host_files();
    twice.push(("vgpuConfig.xml", b"other"));
    assert!(refusal(&package(HOST, &gzip(&twice))).contains("has `vgpuConfig.xml` twice"));

    let large = vec![b'x'; (16 << 20) + 1];
    let large = gzip(&[("./vgpuConfig.xml", &large)]);
    assert!(refusal(&package(HOST, &large)).contains("has more than 16.0 MiB"));
    let wrong = gzip(&[("./vgpuConfig.xml", b"<html>")]);
    assert!(
        refusal(&package(HOST, &wrong)).contains("`vgpuConfig.xml` of the driver cannot be used")
    );

    // A long name of an irrelevant file, in both encodings.
    let name = "a/".repeat(200);
    let long = tar(&[(&format!("{name}x"), b"x"), ("./is_vgpu_host_package.txt", b"")]);
    assert!(examine(&package(HOST, &pipe("gzip", &["-n"], &long)), &[]).is_ok());
}

#[test]
fn a_bomb_is_stopped() {
    // A large file of zeros, which below its limit is accepted.
    let zeros = vec![0; 3 << 20];
    let bomb = gzip(&[("./is_vgpu_host_package.txt", b""), ("./zeros", &zeros)]);
    assert!(bomb.len() < 1 << 16);
    let walk = |cap| super::walk::walk(super::payload::Payload::open(&*bomb, cap)?, &[]);
    assert!(walk(4 << 20).unwrap().is_marked_host);
    let error = walk(2 << 20).unwrap_err().to_string();
    assert!(error.contains("unpacks to more than the 2.0 MiB allowed"), "{error}");
    // A window that exceeds the memory limit.
    if have("zstd") && have("xz") {
        let wide = pipe("zstd", &["-q", "--ultra", "-1", "--long=28"], &zeros);
        assert!(
            refusal(&package(HOST, &wide)).contains("needs a decompression window of 256.0 MiB")
        );
        let wide = pipe("xz", &["-c", "--lzma2=dict=256MiB"], &zeros);
        assert!(
            refusal(&package(HOST, &wide)).contains("needs a decompression window of 256.0 MiB")
        );
    }
}
