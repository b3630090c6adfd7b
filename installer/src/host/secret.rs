use std::fmt;

use zeroize::Zeroizing;

/// A one-time password for a command.
///
/// It exists in memory only, and is passed to a command's standard input and nowhere else.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// The way in which a command reads the secret. The journal records only this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SecretInput {
    /// On two lines, the second to confirm the first.
    Twice,
}

/// The text cannot be used as a one-time password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a one-time password has 8 to 256 printable ASCII characters: MokManager's keyboard has no others"
)]
pub struct NotASecret;

impl Secret {
    /// Returns the secret, if `mokutil` accepts it and it can be typed into MokManager.
    pub fn new(text: String) -> Result<Self, NotASecret> {
        let text = Zeroizing::new(text);
        let is_good = (8..=256).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if is_good { Ok(Self(text)) } else { Err(NotASecret) }
    }

    /// Returns the text with the secret replaced.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        text.replace(self.0.as_str(), "(the secret)")
    }

    /// Returns the standard input of a command.
    pub(super) fn input(&self, how: SecretInput) -> Zeroizing<String> {
        let text = self.0.as_str();
        match how {
            SecretInput::Twice => Zeroizing::new(format!("{text}\n{text}\n")),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_can_be_typed_and_is_never_shown() {
        for bad in ["", "1234567", "pässword", "12345678\n", &"a".repeat(257)] {
            assert!(Secret::new(bad.to_owned()).is_err(), "{bad:?}");
        }
        let secret = Secret::new("correct horse".to_owned()).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(&*secret.input(SecretInput::Twice), "correct horse\ncorrect horse\n");
    }
}
