//! What a guest needs for a licence: a script, the root certificate, and a page to read.

use vgpu_manifest::Digest;

use super::elsewhere::ServerUrl;

const LINUX: &str = include_str!("linux.sh");
const WINDOWS: &str = include_str!("windows.ps1");
const README: &str = include_str!("readme.txt");

/// The kind of licence that a guest asks for; without one its vGPU type decides.
///
/// Source: `nvmlGridLicenseFeatureCode_t` of NVML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Feature {
    /// Virtual GPU: 1.
    Vgpu,
    /// RTX virtual workstation: 2.
    Workstation,
    /// Compute: 4.
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

/// What guests are told of a licence server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Where it is, and the root certificate, in PEM, that it is believed by.
    Server {
        /// Where.
        url: ServerUrl,
        /// The root.
        root: String,
    },
    /// The token that it has made for them.
    Token(String),
}

/// The file of a token beside the scripts.
const TOKEN: &str = "license-token.tok";

/// The files that guests get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guests {
    /// What they are told.
    pub(crate) told: Told,
    /// The kind of licence that they ask for.
    pub(crate) feature: Option<Feature>,
    /// What they need beside that, as the catalogue has it; nothing if it was not asked.
    pub(crate) needs: Vec<String>,
}

impl Guests {
    /// The files, in the order of their names.
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

    /// What is said of the bundle's own drivers.
    fn needs(&self) -> String {
        if self.needs.is_empty() {
            return String::new();
        }
        format!("Of the drivers in this bundle:\n  * {}\n", self.needs.join("\n  * "))
    }

    fn fill(&self, text: &str) -> String {
        let (url, root, token) = match &self.told {
            Told::Server { url, root } => (url.to_string(), line(root), ""),
            Told::Token(_) => (String::new(), String::new(), TOKEN),
        };
        let server = if url.is_empty() { "the one that the token names" } else { &url };
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

/// A text that ends in one line feed.
fn line(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

/// With the ends of lines that Windows' editors show.
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
        let files = guests.files();
        assert_eq!(files[2], (TOKEN, "a.b.c".to_owned()));
        assert!(files[0].1.contains("beside='license-token.tok'\n"));
        assert!(files[3].1.contains("$beside = 'license-token.tok'\r\n"));
    }

    /// There is no PowerShell here, so a grammar of it reads the script.
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

    /// Quotes and here-texts are PowerShell's as long as the server and its certificate cannot end
    /// them, and they cannot: neither has a quote, a dollar or a blank line.
    #[test]
    fn nobody_is_trusted_but_the_root() {
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
