use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::role::UnknownNamespace;
use crate::validity::ParseValidityTimeError;
use crate::wire::show;
use crate::{KeyError, ParseNameError, Principal, PublicKey, Role, ValidityTime};

/// A line of allowed signers: a key, its principal and its roles.
///
/// ```text
/// alice namespaces="vgpu-bundle,vgpu-policy" ssh-ed25519 AAAAC3Nz…
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedSigner {
    principal: Principal,
    roles: BTreeSet<Role>,
    valid_after: Option<ValidityTime>,
    valid_before: Option<ValidityTime>,
    key: PublicKey,
}

/// A line of allowed signers is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerLineError {
    /// It does not start with a plain name.
    #[error(transparent)]
    Principal(#[from] ParseNameError),
    /// It has no namespaces.
    #[error(
        "the line does not name what the key may sign; add `namespaces=\"vgpu-bundle\"` before the key"
    )]
    NoNamespaces,
    /// It has an unknown namespace.
    #[error(transparent)]
    Namespace(#[from] UnknownNamespace),
    /// It has a pattern for namespaces.
    #[error("`{0}` is a pattern: list every namespace")]
    Pattern(String),
    /// It has an option or namespace twice.
    #[error("duplicate `{0}`")]
    Twice(String),
    /// It names a certificate authority.
    #[error("certificate authorities are not supported; write a line for every key")]
    CertAuthority,
    /// It has an unknown option.
    #[error("unknown option `{0}`: use namespaces, valid-after and valid-before")]
    UnknownOption(String),
    /// Its options are not of the form `name="value"`, separated by commas.
    #[error("the options do not have the form `name=\"value\",name=\"value\"`")]
    Options,
    /// A time is not in the form of OpenSSH.
    #[error("the value of {option} is not a time")]
    Time {
        /// The option.
        option: &'static str,
        /// The fault.
        source: ParseValidityTimeError,
    },
    /// Its interval of validity is empty.
    #[error("valid-before is not later than valid-after")]
    NeverValid,
    /// The key is not accepted.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It has a carriage return or another control character.
    #[error("the line has control characters; save the file with plain line ends")]
    Control,
}

impl AllowedSigner {
    /// Returns a line for a key of `principal` that may sign for `roles`.
    ///
    /// # Errors
    ///
    /// If there are no roles.
    pub fn new(
        principal: Principal,
        roles: impl IntoIterator<Item = Role>,
        key: PublicKey,
    ) -> Result<Self, SignerLineError> {
        let roles = BTreeSet::from_iter(roles);
        if roles.is_empty() {
            return Err(SignerLineError::NoNamespaces);
        }
        Ok(Self { principal, roles, valid_after: None, valid_before: None, key })
    }

    /// Returns the principal.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the roles; never empty.
    #[must_use]
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Returns the start of the intended validity, which affects no decision. OpenSSH 8.4 in PVE 7
    /// cannot read a line with such a time.
    #[must_use]
    pub fn valid_after(&self) -> Option<&ValidityTime> {
        self.valid_after.as_ref()
    }

    /// Returns the end of the intended validity, which affects no decision: the key is valid until it
    /// is revoked.
    #[must_use]
    pub fn valid_before(&self) -> Option<&ValidityTime> {
        self.valid_before.as_ref()
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), SignerLineError> {
        match (name, value) {
            ("cert-authority", _) => Err(SignerLineError::CertAuthority),
            ("namespaces", Some(value)) => self.set_namespaces(value),
            ("valid-after", Some(value)) => set_time(&mut self.valid_after, "valid-after", value),
            ("valid-before", Some(value)) => {
                set_time(&mut self.valid_before, "valid-before", value)
            }
            ("namespaces" | "valid-after" | "valid-before", None) => Err(SignerLineError::Options),
            _ => Err(SignerLineError::UnknownOption(show(name.as_bytes()))),
        }
    }

    fn set_namespaces(&mut self, value: &str) -> Result<(), SignerLineError> {
        if !self.roles.is_empty() {
            return Err(SignerLineError::Twice("namespaces".to_owned()));
        }
        for namespace in value.split(',') {
            if namespace.contains(['*', '?', '!']) {
                return Err(SignerLineError::Pattern(show(namespace.as_bytes())));
            }
            if !self.roles.insert(namespace.parse()?) {
                return Err(SignerLineError::Twice(namespace.to_owned()));
            }
        }
        Ok(())
    }
}

impl FromStr for AllowedSigner {
    type Err = SignerLineError;

    fn from_str(line: &str) -> Result<Self, SignerLineError> {
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(SignerLineError::Control);
        }
        let line = line.trim_matches(BLANK);
        let (principal, rest) = line.split_once(BLANK).unwrap_or((line, ""));
        let principal: Principal = principal.parse()?;
        let (options, key) = split_options(rest.trim_start_matches(BLANK))?;

        let (roles, key) = (BTreeSet::new(), key.parse()?);
        let mut signer = Self { principal, roles, valid_after: None, valid_before: None, key };
        for (name, value) in options {
            signer.set(name, value)?;
        }
        if signer.roles.is_empty() {
            return Err(SignerLineError::NoNamespaces);
        }
        if let (Some(after), Some(before)) = (&signer.valid_after, &signer.valid_before)
            && after.is_surely_not_before(before)
        {
            return Err(SignerLineError::NeverValid);
        }
        Ok(signer)
    }
}

impl fmt::Display for AllowedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles: Vec<&str> = self.roles.iter().map(|role| role.namespace()).collect();
        write!(f, "{} namespaces=\"{}\"", self.principal, roles.join(","))?;
        if let Some(time) = &self.valid_after {
            write!(f, ",valid-after=\"{time}\"")?;
        }
        if let Some(time) = &self.valid_before {
            write!(f, ",valid-before=\"{time}\"")?;
        }
        write!(f, " {}", self.key)
    }
}

const BLANK: [char; 2] = [' ', '\t'];

/// The name and optional value of an option.
type NamedOption<'a> = (&'a str, Option<&'a str>);

/// Splits the text after the principal into options and key.
///
/// As in OpenSSH, the text starts with options if it does not start with the type of a key.
fn split_options(text: &str) -> Result<(Vec<NamedOption<'_>>, &str), SignerLineError> {
    let mut options = Vec::new();
    if ["ssh-", "ecdsa-", "sk-"].iter().any(|key_type| text.starts_with(key_type)) {
        return Ok((options, text));
    }
    let mut rest = text;
    loop {
        let (name, after) = rest.split_at(rest.find(['=', ',', ' ', '\t']).unwrap_or(rest.len()));
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').ok_or(SignerLineError::Options)?;
                (Some(value), after)
            }
            None => (None, after),
        };
        options.push((name, value));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.starts_with(BLANK) => {
                return Ok((options, after.trim_start_matches(BLANK)));
            }
            // Neither another option nor a key follows.
            None if after.is_empty() => return Ok((options, "")),
            None => return Err(SignerLineError::Options),
        }
    }
}

fn set_time(
    place: &mut Option<ValidityTime>,
    option: &'static str,
    value: &str,
) -> Result<(), SignerLineError> {
    let time = value.parse().map_err(|source| SignerLineError::Time { option, source })?;
    match place.replace(time) {
        None => Ok(()),
        Some(_) => Err(SignerLineError::Twice(option.to_owned())),
    }
}
