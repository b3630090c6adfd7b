use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::role::UnknownNamespace;
use crate::validity::ParseValidityTimeError;
use crate::wire::show;
use crate::{KeyError, ParseNameError, Principal, PublicKey, Role, ValidityTime};

/// One line of allowed signers: a key, whose it is, and what it may sign.
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

/// Why a line of allowed signers is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerLineError {
    /// It does not start with one plain name.
    #[error(transparent)]
    Principal(#[from] ParseNameError),
    /// It does not say what the key may sign.
    #[error(
        "it does not say what the key may sign; add `namespaces=\"vgpu-bundle\"` before the key"
    )]
    NoNamespaces,
    /// It names a namespace that is none of ours.
    #[error(transparent)]
    Namespace(#[from] UnknownNamespace),
    /// It names a namespace by a pattern.
    #[error("`{0}` is a pattern: write every namespace out")]
    Pattern(String),
    /// It names the same option or namespace twice.
    #[error("`{0}` stands there twice")]
    Twice(String),
    /// It trusts a certificate authority.
    #[error("certificate authorities are not supported; write a line for every key")]
    CertAuthority,
    /// It has an option that is not known.
    #[error("the option `{0}` is not known: there are namespaces, valid-after and valid-before")]
    UnknownOption(String),
    /// Its options are not written as `name="value"` with a comma between.
    #[error("the options are not written as `name=\"value\",name=\"value\"`")]
    Options,
    /// A time is not written as OpenSSH takes it.
    #[error("the value of {option} is not a time")]
    Time {
        /// Which option.
        option: &'static str,
        /// What it should look like.
        source: ParseValidityTimeError,
    },
    /// It was never valid.
    #[error("valid-before is not later than valid-after")]
    NeverValid,
    /// The key is not one that is accepted.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It has a carriage return or another control character.
    #[error("it has control characters; save the file with plain line ends")]
    Control,
}

impl AllowedSigner {
    /// `key` is one of `principal`, and may sign for `roles`.
    ///
    /// # Errors
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

    /// Whose key it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What the key may sign. Never empty.
    #[must_use]
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// From when on the key is meant to be used. For people: it decides nothing. OpenSSH 8.4,
    /// which PVE 7 has, cannot read a line with such a time.
    #[must_use]
    pub fn valid_after(&self) -> Option<&ValidityTime> {
        self.valid_after.as_ref()
    }

    /// Until when the key is meant to be used. For people: it decides nothing, and the key is
    /// good until it is revoked.
    #[must_use]
    pub fn valid_before(&self) -> Option<&ValidityTime> {
        self.valid_before.as_ref()
    }

    /// Take the value of one option.
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

/// The name of an option, and its value if it has one.
type NamedOption<'a> = (&'a str, Option<&'a str>);

/// Split what follows the principal into its options and the key.
///
/// As in OpenSSH, options are what stands there if it does not look like the type of a key.
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
