//! Tests of the license server stand-in, on which the licensing tests depend.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use vgpu_tests::dls::{CHAIN, Generation, Service, check_token, tools};
use vgpu_tests::skip::have;
use vgpu_tests::tree::Snapshot;

fn scratch() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap().to_owned();
    (folder, path)
}

#[test]
fn it_behaves_as_either_version() {
    if !tools() || !have("curl") {
        return;
    }
    for generation in Generation::ALL {
        let (_folder, folder) = scratch();
        let cert = folder.join("app/cert");
        // It does not start without a web certificate, nor version 1 without its keys.
        assert!(Service::start(&folder, generation).is_err());
        generation.prepare(&cert, "IP:127.0.0.1").unwrap();
        if generation == Generation::One {
            let hidden = folder.join("hidden");
            fs::rename(cert.join("instance.private.pem"), &hidden).unwrap();
            assert!(Service::start(&folder, generation).is_err());
            fs::rename(&hidden, cert.join("instance.private.pem")).unwrap();
        }
        let service = Service::start(&folder, generation).unwrap();
        let token = service.get("/-/client-token").unwrap();
        let told = check_token(&token, generation, &cert, &service);
        assert_eq!(told["url"], "127.0.0.1");
        let config: Value = serde_json::from_str(&service.get("/-/config").unwrap()).unwrap();
        assert_eq!(config["LEASE_EXPIRE_DAYS"], 90);
        let has_chain = CHAIN.iter().all(|name| cert.join(name).exists());
        let serves_root = service.get("/-/config/root-certificate").is_ok();
        assert_eq!([has_chain, serves_root], [generation == Generation::Two; 2]);
        service.post("/leasing/v1/lessor", "{\"origin_ref\":\"a\"}").unwrap();
        assert!(service.get("/nothing").is_err());
        drop(service);

        // Existing certificates and keys are kept, so issued tokens stay valid; leases are kept
        // too.
        let before = Snapshot::of(&cert, &[]).unwrap();
        let service = Service::start(&folder, generation).unwrap();
        assert_eq!(Snapshot::of(&cert, &[]).unwrap(), before);
        check_token(&token, generation, &cert, &service);
        let leases: Value = serde_json::from_str(&service.get("/-/leases").unwrap()).unwrap();
        assert_eq!(leases[0]["origin"], "a");
    }
}
