//! A real browser: headless Chromium, through the `WebDriver` protocol of `chromedriver`.
//!
//! <https://www.w3.org/TR/webdriver2/>, and Chromium's own endpoint `goog/cdp/execute` for what the
//! standard lacks: color schemes, paper, and the size of a viewport.

#![expect(clippy::missing_panics_doc, reason = "a browser that does not answer fails the test")]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use camino::Utf8Path;
use serde_json::{Value, json};

/// The arguments for a browser that runs as root, and contacts no other machine.
const ARGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A browser with one window. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser with a fresh profile.
    pub fn start() -> io::Result<Self> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut out = BufReader::new(driver.stdout.take().expect("a pipe"));
        let port = loop {
            let mut line = String::new();
            if out.read_line(&mut line)? == 0 {
                return Err(io::Error::other("chromedriver ended"));
            }
            let port = line.split("started successfully on port ").nth(1);
            if let Some(port) = port.and_then(|port| port.trim().trim_end_matches('.').parse().ok())
            {
                break port;
            }
        };
        // The driver may write more, so the pipe stays open.
        driver.stdout = Some(out.into_inner());
        let mut browser =
            Self { driver, port, session: String::new(), profile: tempfile::tempdir()? };
        let profile = format!("--user-data-dir={}", browser.profile.path().display());
        let args: Vec<&str> = ARGS.into_iter().chain([&*profile]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": args },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = browser.call("POST", "/session", &wanted);
        session["sessionId"].as_str().expect("a session").clone_into(&mut browser.session);
        Ok(browser)
    }

    /// Opens a file.
    pub fn open(&self, path: &Utf8Path) {
        self.post("url", &json!({ "url": format!("file://{path}") }));
    }

    /// Sets the width and height of the page, without scroll bars.
    pub fn resize(&self, width: u32, height: u32) {
        self.cdp("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Shows pages in a medium (`screen` or `print`) and a color scheme (`light` or `dark`).
    pub fn show_in(&self, medium: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let media = json!({ "media": medium, "features": features });
        self.cdp("Emulation.setEmulatedMedia", &media);
    }

    /// Returns the value of a JavaScript expression in the page.
    #[must_use]
    pub fn evaluate(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits up to ten seconds until a JavaScript expression has a value: a page is laid out some time
    /// after it was changed. Returns the last value.
    #[must_use]
    pub fn settles(&self, expression: &str, expected: &Value) -> Value {
        let begun = Instant::now();
        loop {
            let value = self.evaluate(expression);
            if value == *expected || begun.elapsed() > Duration::from_secs(10) {
                return value;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the messages of the console since the last call.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("a list").iter();
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Writes a picture of the whole page, as PNG.
    pub fn picture(&self, path: &Utf8Path) -> io::Result<()> {
        let shot = self.cdp("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        write(path, &shot)
    }

    /// Prints the page to a PDF file.
    pub fn print(&self, path: &Utf8Path) -> io::Result<()> {
        write(path, &self.cdp("Page.printToPDF", &json!({ "printBackground": true })))
    }

    fn cdp(&self, command: &str, params: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}/{command}", self.session), body)
    }

    /// Sends a request, and returns the value in the answer.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, path, &body.to_string()).expect("an answer");
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
        let value = answer["value"].take();
        assert!(value.get("error").is_none(), "{method} {path}: {value}");
        value
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        String::from_utf8(body).map_err(io::Error::other)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session.
        if !self.session.is_empty() {
            let _ = self.exchange("DELETE", &format!("/session/{}", self.session), "");
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn write(path: &Utf8Path, answer: &Value) -> io::Result<()> {
    let data = answer["data"].as_str().expect("a picture");
    std::fs::write(path, Base64::decode_vec(data).map_err(io::Error::other)?)
}
