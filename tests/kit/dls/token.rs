use std::fs;
use std::process::{Command, Stdio};

use camino::Utf8Path;
use serde_json::Value;

use super::{Generation, Service};
use crate::scratch::expect;

fn openssl(folder: &Utf8Path, words: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(words).stdin(Stdio::null());
    expect(command, 0).out
}

/// Verifies a token as a guest would, and returns its claims about the service.
///
/// # Panics
///
/// If the token is not signed by the service's key in `cert`.
#[expect(clippy::must_use_candidate, reason = "some only want it checked")]
pub fn check_token(
    token: &str,
    generation: Generation,
    cert: &Utf8Path,
    service: &Service,
) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = Utf8Path::from_path(folder.path()).expect("a UTF-8 path");
    let (text, signature) = token.rsplit_once('.').expect("a token and its parts");
    let (head, body) = text.split_once('.').expect("a token and its parts");
    let decode = |part: &str, name: &str| {
        let mut part = part.replace('-', "+").replace('_', "/");
        part.push_str(&"=".repeat((4 - part.len() % 4) % 4));
        fs::write(folder.join("part"), part).expect("a token and its parts");
        openssl(folder, &["base64", "-d", "-A", "-in", "part", "-out", name]);
    };
    for (part, name) in [(head, "head"), (body, "body"), (signature, "signature")] {
        decode(part, name);
    }
    fs::write(folder.join("text"), text).expect("a token and its parts");
    let key = match generation {
        Generation::One => cert.join("instance.public.pem"),
        Generation::Two => {
            let root = service.get("/-/config/root-certificate").expect("a token and its parts");
            fs::write(folder.join("root.pem"), root).expect("a token and its parts");
            let [ca, si] = ["ca", "si"].map(|name| cert.join(format!("{name}_certificate.pem")));
            let verify = ["verify", "-CAfile", "root.pem", "-untrusted", ca.as_str(), si.as_str()];
            openssl(folder, &verify);
            let key = openssl(folder, &["x509", "-in", si.as_str(), "-noout", "-pubkey"]);
            fs::write(folder.join("key.pem"), key).expect("a token and its parts");
            folder.join("key.pem")
        }
    };
    let verify = ["dgst", "-sha256", "-verify", key.as_str(), "-signature", "signature", "text"];
    assert_eq!(openssl(folder, &verify), "Verified OK\n");
    let body: Value =
        serde_json::from_slice(&fs::read(folder.join("body")).expect("a token and its parts"))
            .expect("a token and its parts");
    body["service"].clone()
}
