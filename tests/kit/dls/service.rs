use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Generation, MAIN, UVICORN, said};

/// A running stand-in: a process of this machine, or one that was started elsewhere.
///
/// Dropping it stops the process if it was started here.
#[derive(Debug)]
pub struct Service {
    child: Option<Child>,
    port: u16,
    /// The certificate that clients trust.
    certificate: Utf8PathBuf,
}

impl Service {
    /// Starts it without a container, with its certificates and database in `folder`.
    pub fn start(folder: &Utf8Path, generation: Generation) -> io::Result<Self> {
        let app = folder.join("app");
        fs::create_dir_all(&app)?;
        fs::write(app.join("main.py"), MAIN)?;
        fs::write(app.join("GENERATION"), generation.number())?;
        fs::write(app.join("uvicorn.py"), UVICORN)?;
        let port = free_port()?;
        let cert = app.join("cert");
        let log = fs::File::create(folder.join("log"))?;
        let child = Command::new("python3")
            .arg(app.join("uvicorn.py"))
            .args(["main:app", "--host", "127.0.0.1", "--port", &port.to_string(), "--app-dir"])
            .args([app.as_str(), "--proxy-headers", "--ssl-keyfile"])
            .args([cert.join("webserver.key").as_str(), "--ssl-certfile"])
            .arg(cert.join("webserver.crt"))
            .env("DLS_URL", "127.0.0.1")
            .env("DLS_PORT", port.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let certificate = cert.join("webserver.crt");
        Self { child: Some(child), port, certificate }.ready()
    }

    /// Returns a handle for an already running server on `port`, with this web certificate.
    pub fn at(port: u16, certificate: &Utf8Path) -> io::Result<Self> {
        Self { child: None, port, certificate: certificate.to_owned() }.ready()
    }

    /// Waits until the service reports that it is up. Keys of 4096 bits take a while.
    fn ready(mut self) -> io::Result<Self> {
        let begun = Instant::now();
        loop {
            match self.get("/-/health") {
                Ok(text) if text == "{\"status\": \"up\"}" => return Ok(self),
                _ if begun.elapsed() > Duration::from_mins(2) => {
                    return Err(io::Error::other("it does not come up"));
                }
                _ => {}
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                return Err(io::Error::other(format!("it has ended: {status}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Requests `path` with `curl`, which trusts the web certificate only.
    pub fn get(&self, path: &str) -> io::Result<String> {
        let url = format!("https://127.0.0.1:{}{path}", self.port);
        let trust = ["--silent", "--show-error", "--fail", "--cacert", self.certificate.as_str()];
        said(Command::new("curl").args(trust).arg(url))
    }

    /// Sends a JSON document.
    pub fn post(&self, path: &str, json: &str) -> io::Result<String> {
        let url = format!("https://127.0.0.1:{}{path}", self.port);
        let trust = ["--silent", "--show-error", "--fail", "--cacert", self.certificate.as_str()];
        said(Command::new("curl").args(trust).args(["--data", json]).arg(url))
    }
}

/// Returns an unused port.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
