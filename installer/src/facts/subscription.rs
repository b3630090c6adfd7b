use base64ct::{Base64, Encoding as _};
use serde::Deserialize;
use vgpu_manifest::inventory::Subscription;

use super::reader::Reader;

const SUBSCRIPTION: &str = "/etc/subscription";

/// Returns whether a subscription is set, and active.
pub(super) fn look(reader: &Reader<'_>) -> Subscription {
    match reader.text(SUBSCRIPTION) {
        None => Subscription::None,
        Some(text) => {
            reader.understood(SUBSCRIPTION, parse(&text)).unwrap_or(Subscription::Inactive)
        }
    }
}

/// Parses Proxmox's file: the key, a checksum, and the server's response as JSON in base64.
fn parse(text: &str) -> Result<Subscription, &'static str> {
    let mut lines = text.lines().map(str::trim);
    if lines.next().is_none_or(str::is_empty) {
        return Ok(Subscription::None);
    }
    let encoded: String = lines.skip(1).collect();
    // The response contains the key too: none of it may appear in a message.
    let json = Base64::decode_vec(&encoded).map_err(|_| "the data after the key is not base64")?;
    let response: Response =
        serde_json::from_slice(&json).map_err(|_| "has no response of the server")?;
    // Proxmox VE wrote `Active` until 7.1 and has written `active` since.
    let is_active = response.status.eq_ignore_ascii_case("active");
    Ok(if is_active { Subscription::Active } else { Subscription::Inactive })
}

/// The only relevant field of the response.
#[derive(Deserialize)]
struct Response {
    status: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(json: &str) -> String {
        format!("pve1c-0000000000\nAAAA\n{}\n", Base64::encode_string(json.as_bytes()))
    }

    #[test]
    fn only_the_state_is_taken() {
        assert_eq!(parse(&file(r#"{"status":"active","key":"k"}"#)), Ok(Subscription::Active));
        assert_eq!(parse(&file(r#"{"status":"Active"}"#)), Ok(Subscription::Active));
        assert_eq!(parse(&file(r#"{"status":"expired"}"#)), Ok(Subscription::Inactive));
        assert_eq!(parse(""), Ok(Subscription::None));
        for bad in [file("{}"), file("["), "pve1c-0000000000\nAAAA\n***\n".to_owned()] {
            assert!(!parse(&bad).unwrap_err().contains("pve1c"), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,20}\n\\PC{0,20}\n[A-Za-z0-9+/=\n]{0,40}|\\PC*") {
            let _ = parse(&text);
        }
    }
}
