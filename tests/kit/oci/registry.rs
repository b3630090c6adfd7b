use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::Layout;

/// The real registry server of Debian's package `docker-registry`, on loopback, without TLS.
///
/// Dropping it stops the server.
#[derive(Debug)]
pub struct Registry {
    server: Child,
    port: u16,
    log: Utf8PathBuf,
}

/// The form of an image in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OCI, with every byte as in the layout.
    Oci,
    /// Docker's schema 2, converted by skopeo.
    Docker,
}

impl Registry {
    /// Starts a registry with its data in `folder`.
    ///
    /// # Panics
    ///
    /// If it does not answer within half a minute.
    pub fn start(folder: &Utf8Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join("data"))?;
        // Another process may take the port in between; the test then fails.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let config = folder.join("config.yml");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {folder}/data\n\
                 http:\n  addr: 127.0.0.1:{port}\n"
            ),
        )?;
        let log = folder.join("log");
        let out = fs::File::create(&log)?;
        let server = Command::new("docker-registry")
            .args(["serve", config.as_str()])
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .spawn()?;
        let registry = Self { server, port, log };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }

    /// Returns its name: `127.0.0.1:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the requests so far, one line each.
    pub fn log(&self) -> io::Result<String> {
        fs::read_to_string(&self.log)
    }

    /// Pushes the image `tag` of `layout` as `name:tag`.
    pub fn push(&self, layout: &Layout, tag: &str, name: &str, format: Format) -> io::Result<()> {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet", "--all", "--dest-tls-verify=false"]);
        match format {
            Format::Oci => skopeo.arg("--preserve-digests"),
            Format::Docker => skopeo.args(["--format", "v2s2"]),
        };
        skopeo.arg(format!("oci:{}:{tag}", layout.folder()));
        skopeo.arg(format!("docker://{}/{name}:{tag}", self.host()));
        let output = skopeo.stdin(Stdio::null()).output()?;
        if output.status.success() {
            Ok(())
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
