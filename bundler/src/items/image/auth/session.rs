use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::Credentials;
use super::challenge::Challenge;
use crate::net::{Again, Authenticate, Authorization, Client, NetError, Refusal, Reply};
use crate::types::image::{Registry, Transport};
use crate::types::{HttpUrl, ImageSource};

/// The authorization for the registries of one image.
#[derive(Debug)]
pub(crate) struct Session {
    /// The requested scope.
    scope: String,
    transport: Transport,
    accounts: Vec<Account>,
}

/// The account at one registry.
#[derive(Debug)]
struct Account {
    /// The prefix of all its URLs.
    base: String,
    credentials: Option<Credentials>,
    /// The current header, which the registry may have accepted.
    header: Mutex<Option<Authorization>>,
}

/// The answer of a token server. Both names are in use.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

/// The longest answer; tokens have a few kilobytes.
const MAX_TOKEN: usize = 64 << 10;

impl Session {
    /// Creates a session to pull the image of `source`, with these credentials.
    pub(crate) fn new(
        source: &ImageSource,
        mut credentials: impl FnMut(&Registry) -> Option<Credentials>,
    ) -> Self {
        let accounts = source.registries().map(|registry| Account {
            base: format!("{}/", registry.base(source.transport)),
            credentials: credentials(&registry),
            header: Mutex::default(),
        });
        Self {
            scope: format!("repository:{}:pull", source.path()),
            transport: source.transport,
            accounts: accounts.collect(),
        }
    }

    fn account(&self, url: &HttpUrl) -> Option<&Account> {
        let url = String::from(url.clone());
        self.accounts.iter().find(|account| url.starts_with(&account.base))
    }

    /// Requests a token from the server in the challenge.
    fn token(
        &self,
        client: &Client,
        account: &Account,
        url: &HttpUrl,
        challenge: &Challenge,
    ) -> Result<Authorization, NetError> {
        let wrong = |why| NetError::protocol(url, why);
        let realm = challenge.param("realm").unwrap_or_default();
        let realm: HttpUrl =
            realm.parse().map_err(|_| wrong("it does not say where to get a token"))?;
        if !realm.is_https() && self.transport == Transport::Https {
            return Err(wrong("it sends us for a token to an address that is not safe"));
        }
        let mut query = vec![("scope", self.scope.as_str())];
        query.extend(challenge.param("service").map(|service| ("service", service)));
        let basic = account.credentials.as_ref().map(Credentials::authorization);
        let mut reply = client.ask(&realm.with_query(&query), basic.as_ref())?;
        let bytes = read(&mut reply, &realm)?;
        let wrong = |why| NetError::protocol(&realm, why);
        let token: Token =
            serde_json::from_slice(&bytes).map_err(|_| wrong("it does not answer with a token"))?;
        let token = token.token.or(token.access_token).unwrap_or_default();
        Authorization::bearer(&token).ok_or_else(|| wrong("it does not answer with a token"))
    }
}

impl Authenticate for Session {
    fn authorization(&self, url: &HttpUrl) -> Option<Authorization> {
        let header = self.account(url)?.header.lock().unwrap_or_else(PoisonError::into_inner);
        header.clone()
    }

    fn refused(&self, client: &Client, refusal: &Refusal<'_>) -> Result<Again, NetError> {
        let Some(account) = self.account(refusal.url) else { return Ok(Again::No) };
        // One download requests the token while the others wait.
        let mut header = account.header.lock().unwrap_or_else(PoisonError::into_inner);
        if header.as_ref() != refusal.sent {
            return Ok(Again::Yes);
        }
        let challenges = refusal.challenges.iter().flat_map(|text| Challenge::all(text));
        let challenges: Vec<Challenge> = challenges.collect();
        let find = |scheme| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let next = if let Some(bearer) = find("bearer") {
            Some(self.token(client, account, refusal.url, bearer)?)
        } else if find("basic").is_some() {
            account.credentials.as_ref().map(Credentials::authorization)
        } else {
            None
        };
        if next.is_none() || next == *header {
            return Ok(Again::No);
        }
        *header = next;
        Ok(Again::Yes)
    }
}

/// Reads an answer up to the limit.
fn read(reply: &mut Reply, url: &HttpUrl) -> Result<Vec<u8>, NetError> {
    let (mut bytes, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        match reply.read(&mut buf)? {
            0 => return Ok(bytes),
            n if bytes.len() + n > MAX_TOKEN => {
                let why = "it answers with more than a token";
                return Err(NetError::protocol(url, why));
            }
            n => bytes.extend_from_slice(&buf[..n]),
        }
    }
}
