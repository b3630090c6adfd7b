use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Generation, MAIN, UVICORN, said};

/// The stand-in, running: as a process of this machine, or as somebody else has started it.
///
/// It ends when this is dropped, if it was started here.
#[derive(Debug)]
pub struct Service {
    child: Option<Child>,
    port: u16,
    /// The certificate by which it is known.
    certificate: Utf8PathBuf,
}

impl Service {
    /// Start it without a container, with its certificates and database in `folder`.
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

    /// The one that somebody has started on `port`, with this web certificate.
    pub fn at(port: u16, certificate: &Utf8Path) -> io::Result<Self> {
        Self { child: None, port, certificate: certificate.to_owned() }.ready()
    }

    /// Wait until it says that it is up. Keys of 4096 bits take their time.
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

    /// Ask for `path` with `curl`, which trusts the web certificate and nobody else.
    pub fn get(&self, path: &str) -> io::Result<String> {
        let url = format!("https://127.0.0.1:{}{path}", self.port);
        let trust = ["--silent", "--show-error", "--fail", "--cacert", self.certificate.as_str()];
        said(Command::new("curl").args(trust).arg(url))
    }

    /// Tell it something, as JSON.
    pub fn post(&self, path: &str, json: &str) -> io::Result<String> {
        let url = format!("https://127.0.0.1:{}{path}", self.port);
        let trust = ["--silent", "--show-error", "--fail", "--cacert", self.certificate.as_str()];
        said(Command::new("curl").args(trust).args(["--data", json]).arg(url))
    }
}

/// A port on which nobody listens now.
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
