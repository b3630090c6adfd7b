use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// How to speak TLS: with the certificates that this machine trusts, and ring's cryptography.
///
/// The library would look for the certificates by itself, but refuse to start when there are
/// none; a machine without them can still fetch from a mirror that speaks plain HTTP. As usual,
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name other ones.
pub(super) fn config() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // Of several hundred certificates, a few that cannot be read do not matter.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
