//! The credentials from `podman login` and `docker login`.

use std::collections::BTreeMap;
use std::io;

use anyhow::anyhow;
use base64ct::{Base64, Encoding as _};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::bounded;
use crate::net::Authorization;
use crate::types::image::Registry;

/// A name and a password for a registry.
pub(crate) struct Credentials {
    user: String,
    password: Zeroizing<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Returns the header for basic authentication.
    pub(super) fn authorization(&self) -> Authorization {
        Authorization::basic(&self.user, &self.password)
    }

    #[cfg(test)]
    pub(crate) fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) }
    }
}

/// The credential files, in the order of precedence.
#[derive(Debug, Clone)]
pub(crate) struct Places(Vec<Utf8PathBuf>);

/// The file format of podman and docker.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// `name:password` in Base64. Missing if a credential helper has them.
    #[serde(default)]
    auth: Option<String>,
}

/// The longest file, in bytes.
const MAX_LEN: u64 = 1 << 20;

impl Places {
    /// Returns the files of podman and docker for this environment.
    #[must_use]
    pub(crate) fn of(env: impl Fn(&str) -> Option<String>) -> Self {
        let path =
            |name: &str| env(name).map(Utf8PathBuf::from).filter(|path| !path.as_str().is_empty());
        let home = path("HOME");
        let below = |base: Option<Utf8PathBuf>, name: &str| base.map(|base| base.join(name));
        let config = path("XDG_CONFIG_HOME").or_else(|| below(home.clone(), ".config"));
        let docker = path("DOCKER_CONFIG").or_else(|| below(home, ".docker"));
        let places = [
            path("REGISTRY_AUTH_FILE"),
            below(path("XDG_RUNTIME_DIR"), "containers/auth.json"),
            below(config, "containers/auth.json"),
            below(docker, "config.json"),
        ];
        Self(places.into_iter().flatten().collect())
    }

    /// Returns the credentials for `registry`, if there are any.
    pub(crate) fn find(&self, registry: &Registry) -> anyhow::Result<Option<Credentials>> {
        for path in &self.0 {
            // Errors must not quote the file.
            let error = |why: String| anyhow!("cannot read the credentials in `{path}`: {why}");
            let text = match read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text.map_err(|why| error(why.to_string()))?,
            };
            let file: File = serde_json::from_str(&text).map_err(|why| {
                error(format!("line {} is not in the format of podman and docker", why.line()))
            })?;
            let auth = names(registry)
                .into_iter()
                .find_map(|name| file.auths.get(&name).and_then(|entry| entry.auth.as_ref()));
            if let Some(auth) = auth {
                let pair = decode(auth).ok_or_else(|| {
                    error(format!("the entry for `{registry}` is not a name and a password"))
                })?;
                return Ok(Some(pair));
            }
        }
        Ok(None)
    }
}

fn read(path: &Utf8Path) -> io::Result<Zeroizing<String>> {
    bounded::read_text(path, MAX_LEN).map(Zeroizing::new)
}

/// Returns the names of a registry in such files.
fn names(registry: &Registry) -> Vec<String> {
    let name = registry.as_str();
    let mut names = vec![name.to_owned(), format!("https://{name}"), format!("https://{name}/v1/")];
    if name == "docker.io" {
        names.extend(["https://index.docker.io/v1/", "index.docker.io"].map(ToOwned::to_owned));
    }
    names
}

fn decode(auth: &str) -> Option<Credentials> {
    let bytes = Zeroizing::new(Base64::decode_vec(auth.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    let password = Zeroizing::new(password.trim_end_matches('\0').to_owned());
    (!user.is_empty()).then(|| Credentials { user: user.to_owned(), password })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn places(files: &[(&str, &str)]) -> (tempfile::TempDir, Places) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let home = dir.path().to_str().unwrap().to_owned();
        let places = Places::of(|name| (name == "HOME").then(|| home.clone()));
        (dir, places)
    }

    fn found(places: &Places, registry: &str) -> Option<(String, String)> {
        let found = places.find(&registry.parse().unwrap()).unwrap();
        found.map(|found| (found.user, found.password.to_string()))
    }

    #[test]
    fn what_people_have_logged_in_with_is_found() {
        let auth = Base64::encode_string(b"user:pass:word");
        let podman = format!("{{\"auths\":{{\"a.example:5000\":{{\"auth\":\"{auth}\"}}}}}}");
        let docker = format!(
            "{{\"auths\":{{\"https://index.docker.io/v1/\":{{\"auth\":\"{auth}\"}},\
             \"b.example\":{{}}}},\"credsStore\":\"desktop\"}}"
        );
        let (_dir, places) =
            places(&[(".config/containers/auth.json", &podman), (".docker/config.json", &docker)]);
        let pair = Some(("user".to_owned(), "pass:word".to_owned()));
        assert_eq!(found(&places, "a.example:5000"), pair);
        assert_eq!(found(&places, "docker.io"), pair);
        for other in ["a.example", "b.example", "c.example"] {
            assert_eq!(found(&places, other), None);
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_and_not_shown() {
        let cases = [
            ("{\"auths\": secret", "line 1"),
            ("{\"auths\":{\"a.example\":{\"auth\":\"c2VjcmV0\"}}}", "is not a name and a password"),
            ("{\"auths\":{\"a.example\":{\"auth\":\"secret!\"}}}", "is not a name and a password"),
        ];
        for (text, word) in cases {
            let (_dir, places) = places(&[(".docker/config.json", text)]);
            let error = places.find(&"a.example".parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("config.json"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
