use super::*;
use crate::host::testing::MemHost;
use crate::license::Engine;
use crate::license::service::tests::service;

fn node() -> MemHost {
    let mut host = MemHost::with_files(&[("/var/lib/README", "")]);
    // As openssl(1): `genrsa` makes a key, `rsa -pubout` says its public half.
    host.programs.insert("openssl", |host, words| {
        host.said = match words {
            ["genrsa", "2048"] => "-----BEGIN PRIVATE KEY-----\n".to_owned(),
            ["rsa", "-pubout", "-in", path] => {
                assert!(host.text_of(path).unwrap().contains("PRIVATE"));
                "-----BEGIN PUBLIC KEY-----\n".to_owned()
            }
            _ => return Ok(1),
        };
        Ok(0)
    });
    host
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
    let mut host = node();
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
    // Never anew, and never by half.
    assert_eq!(prepare(&mut host, &service()).unwrap(), Prepared::default());
    OwnState::of(&mut host).remove(&cert().join("instance.private.pem")).unwrap();
    let error = prepare(&mut host, &service()).unwrap_err().to_string();
    assert!(error.contains("instance.private.pem is not there, but"), "{error}");
    assert!(error.contains("license restore"), "{error}");
}

#[test]
fn a_root_that_is_gone_is_not_made_anew() {
    let mut host = node();
    prepare(&mut host, &service()).unwrap();
    OwnState::of(&mut host).remove(&root_key()).unwrap();
    let before = host.picture(&[]);
    let error = prepare(&mut host, &service()).unwrap_err().to_string();
    assert!(error.contains("would shut out every guest"), "{error}");
    assert_eq!(host.picture(&[]), before);
    host.place(root_key().as_path().as_str(), "-----BEGIN SOMETHING-----\n");
    let error = prepare(&mut host, &service()).unwrap_err().to_string();
    assert!(error.starts_with("/var/lib/vgpu-offline-license/web/root.key: "), "{error}");
}

#[test]
fn other_names_are_another_certificate_by_the_same_keys() {
    let mut host = node();
    prepare(&mut host, &service()).unwrap();
    let key = text(&host, "webserver.key");
    let other = Service { names: vec!["dls.example".parse().unwrap()], ..service() };
    let made = prepare(&mut host, &other).unwrap().made;
    assert_eq!(made, ["/var/lib/vgpu-offline-license/cert/webserver.crt"]);
    assert_eq!(text(&host, "webserver.key"), key);
}

/// A pair with which the Bash script's service signs, its web certificate, which holds for no name, and
/// its leases in Docker's volume.
#[test]
fn what_the_scripts_service_signs_with_is_taken_over_once() {
    let mut host = node();
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
    // The script's own files stay, and are not asked again.
    host.place(&format!("{SCRIPT_CERT}/instance.private.pem"), "another");
    assert_eq!(prepare(&mut host, &service()).unwrap(), Prepared::default());
}

#[test]
fn a_huge_file_among_the_scripts_keys_is_no_key() {
    let mut host = node();
    let huge = "x".repeat(usize::try_from(MAX_READ).unwrap() + 1);
    host.place(&format!("{SCRIPT_CERT}/instance.private.pem"), &huge);
    let error = prepare(&mut host, &service()).unwrap_err().to_string();
    assert!(error.contains("far too large for a key or a certificate"), "{error}");
}

#[test]
fn folders_go_to_whom_the_server_runs_as_and_back() {
    let mut host = node();
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
