//! The license server's web certificates: a root certificate for the node, and the server
//! certificate that it signs.
//!
//! Guests get the root once. A new address needs only a new server certificate. The node's own
//! `openssl`, which Proxmox VE needs for its own certificates, creates both and their keys.
//!
//! ECDSA signatures are random, so two certificates for the same content differ. The serial number
//! identifies the content instead: it is a digest of everything in the certificate.

use vgpu_manifest::{Digest, HostPath};

use super::address::GuestHost;
use crate::host::{Command, HostError, Look, Work};

/// The first year in which certificates are valid.
///
/// It is fixed, because the clock of a node without a network may be years behind, and guests would
/// refuse a certificate that is not valid yet.
const FIRST_YEAR: i32 = 2020;

/// The number of years for which certificates are valid after the bundle was made.
const YEARS: i32 = 10;

/// Returns the last year in which certificates from a bundle made in `year` are valid.
#[must_use]
pub(crate) fn last_year(year: i32) -> i32 {
    year.max(FIRST_YEAR) + YEARS
}

/// The arguments of `openssl` that create a key, without `-out`. Windows and every TLS library
/// support this curve.
pub(super) const MAKE_KEY: [&str; 5] =
    ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// A private key in a file, and a digest of its public key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    path: HostPath,
    id: Digest,
}

impl Key {
    /// Reads the public key of the key in a file. Returns `None` where commands do not run.
    ///
    /// # Errors
    ///
    /// Returns the output of `openssl` if the file is not a private key.
    pub(super) fn at(look: &dyn Look, path: &HostPath) -> Result<Option<Self>, HostError> {
        let words = ["pkey", "-pubout", "-in", path.as_path().as_str()];
        let command = Command::new("openssl", &words);
        let Some(output) = look.query(&command)? else { return Ok(None) };
        if !output.succeeded() {
            let tail = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(HostError::Failed { command, exit: output.exit, tail });
        }
        Ok(Some(Self { path: path.clone(), id: Digest::of(&output.stdout) }))
    }
}

/// The content of a certificate.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    key: &'a Key,
    signer: &'a Key,
    /// The names that it is valid for; empty for the root.
    names: &'a [GuestHost],
    last_year: i32,
}

impl<'a> Certificate<'a> {
    /// Returns the self-signed root.
    pub(super) fn root(key: &'a Key, last_year: i32) -> Self {
        Self { key, signer: key, names: &[], last_year }
    }

    /// Returns the certificate of a server with these names.
    pub(super) fn web(root: &'a Key, key: &'a Key, names: &'a [GuestHost], last_year: i32) -> Self {
        Self { key, signer: root, names, last_year }
    }

    /// Returns a positive serial number of at most 20 bytes (RFC 5280 4.1.2.2) that is the same for
    /// the same content.
    fn serial(&self) -> String {
        let Self { key, signer, names, last_year } = self;
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let text = format!("{} {last_year} {} {}", names.join(" "), signer.id, key.id);
        format!("4{}", Digest::of(text.as_bytes()).to_string()[..31].to_uppercase())
    }

    /// Checks whether the file at `path` is this certificate, with a valid signature of the one at
    /// `root`.
    pub(super) fn is_at(
        &self,
        look: &dyn Look,
        path: &HostPath,
        root: &HostPath,
    ) -> Result<bool, HostError> {
        if look.stat(path)?.is_none() {
            return Ok(false);
        }
        let [path, root] = [path, root].map(|path| path.as_path().as_str());
        let serial = Command::new("openssl", &["x509", "-noout", "-serial", "-in", path]);
        let text = look.query(&serial)?.map(|output| output.stdout).unwrap_or_default();
        if String::from_utf8_lossy(&text).trim() != format!("serial={}", self.serial()) {
            return Ok(false);
        }
        // The node's clock may be wrong, so it does not count here.
        let words = ["verify", "-no_check_time", "-check_ss_sig", "-CAfile", root, path];
        let verified = look.query(&Command::new("openssl", &words))?;
        Ok(verified.is_some_and(|output| output.succeeded()))
    }

    /// Creates the certificate as the file `out` of the work area; `root` is that of its signer.
    pub(super) fn make(
        &self,
        work: &mut Work<'_>,
        out: &str,
        root: &HostPath,
    ) -> Result<(), HostError> {
        let [config, request, out] =
            ["openssl.cnf", "request.pem", out].map(|name| work.path(name).to_string());
        let settings = self.config(work);
        work.write("openssl.cnf", settings.as_bytes())?;
        work.write("index.txt", b"")?;
        work.write("serial", format!("{}\n", self.serial()).as_bytes())?;
        let [key, signer] = [self.key, self.signer].map(|key| key.path.as_path().as_str());
        let words = ["req", "-new", "-config", &config, "-key", key, "-out", &request];
        work.run(&Command::new("openssl", &words))?;
        // In every version since OpenSSL 1.1.1, only `ca` takes both dates: `x509` and `req` count
        // days from the node's clock.
        let (first, last) =
            (format!("{FIRST_YEAR}0101000000Z"), format!("{}1231000000Z", self.last_year));
        let words = ["ca", "-batch", "-notext", "-config", &config, "-in", &request, "-out", &out];
        let dates = ["-startdate", &first, "-enddate", &last, "-keyfile", signer];
        let is_root = self.key.id == self.signer.id;
        let signer: &[&str] =
            if is_root { &["-selfsign"] } else { &["-cert", root.as_path().as_str()] };
        work.run(&Command::new("openssl", &[&words[..], &dates, signer].concat()))
    }

    fn config(&self, work: &Work<'_>) -> String {
        let [index, serial] = ["index.txt", "serial"].map(|name| work.path(name));
        let folder = index.parent().unwrap_or_else(|| HostPath::clone(&index));
        let (name, more) = if self.names.is_empty() {
            let id = self.key.id.to_string();
            let more = "basicConstraints=critical,CA:true,pathlen:0\n\
                        keyUsage=critical,keyCertSign\n";
            (format!("vgpu-offline license root {}", &id[..8]), more.to_owned())
        } else {
            let names = self.names.iter().map(|host| match host {
                GuestHost::Address(address) => format!("IP:{address}"),
                GuestHost::Name(name) => format!("DNS:{}", name.as_str()),
            });
            let more = format!(
                "subjectAltName={}\n\
                 keyUsage=critical,digitalSignature\n\
                 extendedKeyUsage=serverAuth\n\
                 authorityKeyIdentifier=keyid:always\n",
                names.collect::<Vec<_>>().join(",")
            );
            ("vgpu-offline license server".to_owned(), more)
        };
        format!(
            "[ca]\n\
             default_ca=own\n\
             [own]\n\
             database={index}\n\
             new_certs_dir={folder}\n\
             serial={serial}\n\
             default_md=sha256\n\
             policy=any\n\
             x509_extensions=extensions\n\
             [any]\n\
             commonName=supplied\n\
             [req]\n\
             distinguished_name=name\n\
             prompt=no\n\
             [name]\n\
             commonName={name}\n\
             [extensions]\n\
             subjectKeyIdentifier=hash\n\
             {more}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_outlive_clocks_that_are_behind() {
        assert_eq!(last_year(2026), 2036);
        assert_eq!(last_year(1970), 2030);
    }

    #[test]
    fn the_serial_number_follows_from_keys_names_and_last_year() {
        let key = |text: &str| Key {
            path: crate::host::own::fixed("/k"),
            id: Digest::of(text.as_bytes()),
        };
        let [root, web] = [key("root"), key("web")];
        let names = |text: &str| vec![text.parse::<GuestHost>().unwrap()];
        let (here, other) = (names("192.0.2.10"), names("192.0.2.11"));
        let serial = Certificate::web(&root, &web, &here, 2036).serial();
        assert_eq!(Certificate::web(&root, &web, &here, 2036).serial(), serial);
        assert!(serial.len() == 32 && serial.starts_with('4'));
        for another in [
            Certificate::web(&root, &web, &here, 2037),
            Certificate::web(&root, &web, &other, 2036),
            Certificate::web(&root, &root, &here, 2036),
            Certificate::web(&web, &web, &here, 2036),
            Certificate::root(&root, 2036),
        ] {
            assert_ne!(another.serial(), serial);
        }
    }
}
