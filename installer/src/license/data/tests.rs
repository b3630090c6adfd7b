#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "keys and certificates are made by the test machine's own openssl"
)]

use std::fs;
use std::process::{Command as Process, Stdio};

use super::*;
use crate::host::testing::MemHost;
use crate::license::Engine;
use crate::license::service::tests::service;

/// The prefix of the license server's folders and of the work area.
const OWN: &str = "/var/lib/vgpu-offline-";

/// Runs the real openssl(1), with the simulated host's files in a folder.
fn openssl(host: &mut MemHost, words: &[&str]) -> Result<i32, HostError> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap().to_owned();
    let local = |text: &str| text.replace(OWN, &format!("{root}{OWN}"));
    let own: Vec<_> =
        host.nodes.iter().filter(|it| it.0.as_path().as_str().starts_with(OWN)).collect();
    for (path, thing) in own {
        let to = format!("{root}{path}");
        if thing.is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::write(to, local(&String::from_utf8_lossy(&thing.bytes))).unwrap();
        }
    }
    let words = words.iter().map(|word| local(word));
    let output = Process::new("openssl").args(words).stdin(Stdio::null()).output().unwrap();
    host.stdout = String::from_utf8(output.stdout).unwrap();
    let work = format!("{OWN}work/license");
    for file in fs::read_dir(format!("{root}{work}")).into_iter().flatten() {
        let file = file.unwrap();
        let path = format!("{work}/{}", file.file_name().to_str().unwrap());
        let text = fs::read_to_string(file.path()).unwrap();
        if host.text_of(&path).is_none_or(|old| local(&old) != text) {
            host.scribble(&path, &text)?;
        }
    }
    Ok(output.status.code().unwrap())
}

/// Returns a node with openssl; `None` where this machine has none.
fn node() -> Option<MemHost> {
    if Process::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs openssl");
        eprintln!("skipped: needs openssl");
        return None;
    }
    let mut host = MemHost::with_files(&[("/var/lib/README", "")]);
    host.programs.insert("openssl", openssl);
    Some(host)
}

/// Runs openssl on files of a host.
fn ask(host: &MemHost, words: &[&str]) -> String {
    let mut host = host.clone();
    assert_eq!(openssl(&mut host, words).unwrap(), 0, "{words:?}: {}", host.stdout);
    host.stdout
}

fn web_certificate() -> String {
    below_dir(&cert(), "webserver.crt").to_string()
}

fn text(host: &MemHost, name: &str) -> Option<String> {
    host.text_of(below_dir(&cert(), name).as_path().as_str())
}

fn meta(host: &MemHost, path: &HostPath) -> (String, u32) {
    match host.node(path).unwrap() {
        Some(Node::File { meta, .. } | Node::Dir { meta }) => (meta.mode.to_string(), meta.uid),
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn what_version_1_signs_with_comes_from_the_nodes_openssl_and_once() {
    let Some(mut host) = node() else { return };
    let made = prepare(&mut host, &service()).unwrap().made;
    assert_eq!(made.len(), 6, "{made:?}");
    assert!(text(&host, "instance.private.pem").unwrap().contains("PRIVATE KEY"));
    assert!(text(&host, "instance.public.pem").unwrap().contains("PUBLIC KEY"));
    for (name, mode) in
        [("instance.private.pem", "0600"), ("webserver.key", "0600"), ("webserver.crt", "0644")]
    {
        assert_eq!(meta(&host, &below_dir(&cert(), name)), (mode.to_owned(), 0), "{name}");
    }
    assert_eq!(meta(&host, &root_key()), ("0600".to_owned(), 0));
    // The work area is clean.
    assert_eq!(host.list(&crate::host::WorkPath::area()).unwrap(), None);
    // A lost half of a key pair is never replaced.
    assert_eq!(prepare(&mut host, &service()).unwrap(), Prepared::default());
    OwnState::of(&mut host).remove(&cert().join("instance.private.pem")).unwrap();
    let error = prepare(&mut host, &service()).unwrap_err().to_string();
    assert!(error.contains("instance.private.pem is missing, but"), "{error}");
    assert!(error.contains("license restore"), "{error}");
}

#[test]
fn a_root_that_is_gone_is_not_made_anew() {
    let Some(mut host) = node() else { return };
    prepare(&mut host, &service()).unwrap();
    OwnState::of(&mut host).remove(&root_key()).unwrap();
    let before = host.picture(&[]);
    let error = prepare(&mut host, &service()).unwrap_err().to_string();
    assert!(error.contains("would lock out every guest"), "{error}");
    assert_eq!(host.picture(&[]), before);
    host.place(root_key().as_path().as_str(), "-----BEGIN SOMETHING-----\n");
    let error = prepare(&mut host, &service()).unwrap_err().to_string();
    assert!(error.starts_with("/var/lib/vgpu-offline-license/web/root.key: "), "{error}");
}

#[test]
fn other_names_are_another_certificate_by_the_same_keys() {
    let Some(mut host) = node() else { return };
    prepare(&mut host, &service()).unwrap();
    let key = text(&host, "webserver.key");
    let other = Service { names: vec!["dls.example".parse().unwrap()], ..service() };
    let root = host.text_of(&root_certificate().to_string());
    let made = prepare(&mut host, &other).unwrap().made;
    assert_eq!(made, ["/var/lib/vgpu-offline-license/cert/webserver.crt"]);
    assert_eq!(text(&host, "webserver.key"), key);
    let words = ["x509", "-in", &web_certificate(), "-noout", "-ext", "subjectAltName"];
    assert!(ask(&host, &words).contains("DNS:dls.example"));
    assert_eq!(host.text_of(&root_certificate().to_string()), root);
    // A damaged certificate is replaced, although its content is the same.
    let whole = text(&host, "webserver.crt").unwrap();
    let at = whole.find("\n-----END").unwrap() - 8;
    let other_byte = if whole.as_bytes()[at] == b'A' { "B" } else { "A" };
    let damaged = format!("{}{other_byte}{}", &whole[..at], &whole[at + 1..]);
    host.place(&web_certificate(), &damaged);
    assert_eq!(prepare(&mut host, &other).unwrap().made, made);
}

/// The Bash script's service: a signing key pair, a web certificate without a host name, and leases
/// in Docker's volume.
#[test]
fn what_the_scripts_service_signs_with_is_taken_over_once() {
    let Some(mut host) = node() else { return };
    let names = ["instance.private.pem", "instance.public.pem", "webserver.key", "webserver.crt"];
    for name in names {
        host.place(&format!("{SCRIPT_CERT}/{name}"), &format!("the script's PRIVATE {name}\n"));
    }
    host.place(SCRIPT_DATABASE, "leases");
    let prepared = prepare(&mut host, &service()).unwrap();
    let taken: Vec<_> = prepared.taken.iter().map(ToString::to_string).collect();
    let [secret, public] = [names[0], names[1]].map(|name| format!("{SCRIPT_CERT}/{name}"));
    assert_eq!(taken, [secret, public, SCRIPT_DATABASE.to_owned()]);
    assert_eq!(text(&host, names[0]).unwrap(), "the script's PRIVATE instance.private.pem\n");
    assert_eq!(meta(&host, &below_dir(&cert(), names[0])), ("0600".to_owned(), 0));
    assert!(text(&host, "webserver.crt").unwrap().starts_with("-----BEGIN CERTIFICATE"));
    let leases = below_dir(&database(), "db.sqlite");
    assert_eq!(host.text_of(leases.as_path().as_str()).unwrap(), "leases");
    // The script's own files stay, and are not read again.
    host.place(&format!("{SCRIPT_CERT}/instance.private.pem"), "another");
    assert_eq!(prepare(&mut host, &service()).unwrap(), Prepared::default());
}

/// Checks certificates as guests and the server do, with a clock that was never set and with a
/// correct one.
#[test]
fn guests_trust_the_certificate_by_its_root_whatever_the_time() {
    let Some(mut host) = node() else { return };
    let names = ["192.0.2.10", "2001:db8::1", "dls.example"].map(|name| name.parse().unwrap());
    let service = Service { names: names.into(), until: 2036, ..service() };
    prepare(&mut host, &service).unwrap();
    let (root, web) = (root_certificate().to_string(), web_certificate());
    for (path, text) in [
        (&root, "CA:TRUE, pathlen:0"),
        (&root, "Certificate Sign"),
        (&web, "IP Address:192.0.2.10, IP Address:2001:DB8:0:0:0:0:0:1, DNS:dls.example"),
        (&web, "TLS Web Server Authentication"),
        (&web, "Digital Signature"),
        (&web, "NIST CURVE: P-256"),
        (&web, "Not Before: Jan  1 00:00:00 2020 GMT"),
        (&web, "Not After : Dec 31 00:00:00 2036 GMT"),
        (&web, "X509v3 Authority Key Identifier"),
    ] {
        let certificate = ask(&host, &["x509", "-in", path, "-noout", "-text"]);
        assert!(certificate.contains(text), "{path} does not say {text}:\n{certificate}");
    }
    for time in ["1577836801", "1800000000", "2114294399"] {
        let when = ["verify", "-attime", time, "-purpose", "sslserver"];
        for name in [&["-verify_ip", "192.0.2.10"], &["-verify_hostname", "dls.example"]] {
            ask(&host, &[&when[..], name, &["-CAfile", &root, &web]].concat());
        }
    }
    // The certificate belongs to the server's key.
    let key = below_dir(&cert(), "webserver.key").to_string();
    let of_key = ask(&host, &["pkey", "-pubout", "-in", &key]);
    assert_eq!(ask(&host, &["x509", "-noout", "-pubkey", "-in", &web]), of_key);
}

/// Where commands do not run, `openssl` is not available, and nothing is created halfway.
#[test]
fn a_rehearsal_makes_no_keys() {
    let host = MemHost::with_files(&[("/var/lib/README", "")]);
    let mut rehearsal = crate::host::Overlay::new(&host);
    assert_eq!(prepare(&mut rehearsal, &service()).unwrap(), Prepared::default());
    assert_eq!(rehearsal.stat(&root_key()).unwrap(), None);
}

#[test]
fn a_huge_file_among_the_scripts_keys_is_no_key() {
    let Some(mut host) = node() else { return };
    let huge = "x".repeat(usize::try_from(MAX_READ).unwrap() + 1);
    host.place(&format!("{SCRIPT_CERT}/instance.private.pem"), &huge);
    let error = prepare(&mut host, &service()).unwrap_err().to_string();
    assert!(error.contains("too large for a key or a certificate"), "{error}");
}

#[test]
fn folders_go_to_whom_the_server_runs_as_and_back() {
    let Some(mut host) = node() else { return };
    prepare(&mut host, &service()).unwrap();
    let leases = below_dir(&database(), "db.sqlite");
    host.place(leases.as_path().as_str(), "leases");
    let contained = Service { engine: Engine::Lxc, ..service() };
    for (service, uid) in [(&contained, 100_000), (&service(), 0)] {
        prepare(&mut host, service).unwrap();
        for path in [&cert(), &database(), &leases, &below_dir(&cert(), "webserver.key")] {
            assert_eq!(meta(&host, path).1, uid, "{path}");
        }
        for path in [&folder(), &root_key(), &root_certificate(), &memory()] {
            assert_eq!(meta(&host, path).1, 0, "{path}");
        }
        assert_eq!(host.text_of(leases.as_path().as_str()).unwrap(), "leases");
        assert_eq!(prepare(&mut host, service).unwrap(), Prepared::default());
    }
}
