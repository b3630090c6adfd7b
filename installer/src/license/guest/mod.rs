//! The license files for guests: scripts, the root certificate, and instructions.

use vgpu_manifest::Digest;

use super::elsewhere::ServerUrl;

const LINUX: &str = include_str!("linux.sh");
const WINDOWS: &str = include_str!("windows.ps1");
const README: &str = include_str!("readme.txt");

/// The license type that a guest requests; by default its vGPU type decides.
///
/// Source: `nvmlGridLicenseFeatureCode_t` of NVML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Feature {
    /// Virtual GPU (1)
    Vgpu,
    /// RTX virtual workstation (2)
    Workstation,
    /// Compute (4)
    Compute,
}

impl Feature {
    fn number(self) -> &'static str {
        match self {
            Self::Vgpu => "1",
            Self::Workstation => "2",
            Self::Compute => "4",
        }
    }
}

/// The license server that the files name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// The server's URL, and its root certificate in PEM.
    Server { url: ServerUrl, root: String },
    /// The client configuration token.
    Token(String),
}

/// The file name of a token next to the scripts.
const TOKEN: &str = "license-token.tok";

/// The license files for guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guests {
    pub(crate) told: Told,
    /// The requested license type.
    pub(crate) feature: Option<Feature>,
    /// Further requirements of the bundle's guest drivers, from the catalog.
    pub(crate) needs: Vec<String>,
}

impl Guests {
    /// Returns the files, sorted by name.
    #[must_use]
    pub(crate) fn files(&self) -> Vec<(&'static str, String)> {
        let mut files = vec![
            ("license-linux.sh", self.fill(LINUX)),
            ("license-readme.txt", dos(&self.fill(README))),
        ];
        files.push(match &self.told {
            Told::Server { root, .. } => ("license-root.crt", line(root)),
            Told::Token(token) => (TOKEN, token.clone()),
        });
        files.push(("license-windows.ps1", dos(&self.fill(WINDOWS))));
        files
    }

    /// Returns the paragraph about the bundle's guest drivers.
    fn needs(&self) -> String {
        if self.needs.is_empty() {
            return String::new();
        }
        format!("Guest drivers in this bundle:\n  * {}\n", self.needs.join("\n  * "))
    }

    fn fill(&self, text: &str) -> String {
        let (url, root, token) = match &self.told {
            Told::Server { url, root } => (url.to_string(), line(root), ""),
            Told::Token(_) => (String::new(), String::new(), TOKEN),
        };
        let server = if url.is_empty() { "the one named in the token" } else { &url };
        let fingerprint = Digest::of(root.as_bytes()).to_string();
        text.replace("@SERVER@", server)
            .replace("@URL@", &url)
            .replace("@TOKEN@", token)
            .replace("@FEATURE@", self.feature.map_or("", Feature::number))
            .replace("@FINGERPRINT@", &fingerprint)
            .replace("@NEEDS@\n", &self.needs())
            .replace("@ROOT@", &root)
    }
}

/// Returns the text with exactly one line feed at the end.
fn line(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

/// Returns the text with Windows line ends.
fn dos(text: &str) -> String {
    text.replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests(host: &str) -> Guests {
        let root = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned();
        let url = format!("https://{host}:8443").parse().unwrap();
        Guests { told: Told::Server { url, root }, feature: None, needs: Vec::new() }
    }

    #[test]
    fn every_blank_is_filled() {
        for (name, text) in guests("[2001:db8::10]").files() {
            for blank in
                ["@NEEDS@", "@URL@", "@SERVER@", "@TOKEN@", "@ROOT@", "@FEATURE@", "@FINGERPRINT@"]
            {
                assert!(!text.contains(blank), "{name}");
            }
        }
        let linux = &guests("[2001:db8::10]").files()[0].1;
        assert!(linux.contains("url='https://[2001:db8::10]:8443'\nfeature=''\n"));
        let with = Guests { feature: Some(Feature::Workstation), ..guests("dls.example") };
        assert!(with.files()[3].1.contains("$FeatureType = '2'\r\n"));
    }

    #[test]
    fn a_token_rides_along_where_there_is_no_server_to_ask() {
        let told = Told::Token("a.b.c".to_owned());
        let guests = Guests { told, feature: None, needs: vec!["guests of 16.x are fine".into()] };
        let readme = guests.files()[1].1.clone();
        assert!(readme.contains("bundle:\r\n  * guests of 16.x are fine\r\n"), "{readme}");
        for line in ["newer branch than the host's stays unlicensed", "need UEFI firmware (OVMF)"] {
            assert!(readme.contains(line), "{readme}");
        }
        let files = guests.files();
        assert_eq!(files[2], (TOKEN, "a.b.c".to_owned()));
        assert!(files[0].1.contains("beside='license-token.tok'\n"));
        assert!(files[3].1.contains("$beside = 'license-token.tok'\r\n"));
    }

    /// PowerShell is not available to the tests, so a grammar parses the script.
    #[test]
    fn the_script_for_windows_is_powershell() {
        let whole = |text: &str| {
            let mut parser = tree_sitter::Parser::new();
            parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
            !parser.parse(text, None).unwrap().root_node().has_error()
        };
        let told = Told::Token("a.b.c".to_owned());
        let token = Guests { told, feature: None, needs: Vec::new() };
        for guests in [guests("[2001:db8::10]"), token] {
            let text = guests.files().pop().unwrap().1;
            assert!(whole(&text));
            for (word, wrong) in [("try {", "try"), ("join ''", "join '"), ("Proxy = ", "Proxy ? ")]
            {
                assert!(text.contains(word) && !whole(&text.replacen(word, wrong, 1)), "{word}");
            }
        }
    }

    /// The server's URL and certificate cannot end PowerShell's quotes and here-strings: neither
    /// contains a quote, a dollar sign or a blank line.
    #[test]
    fn only_the_root_is_trusted() {
        for (name, text) in guests("dls.example").files() {
            for lax in [
                "--insecure",
                "-k ",
                "SkipCertificateCheck",
                "no-check-certificate",
                "=> true",
                "{$true}",
            ] {
                assert!(!text.contains(lax), "{name} has {lax}");
            }
        }
    }
}
