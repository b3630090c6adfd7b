use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::types::HttpUrl;

/// One address, or several of the same content.
#[derive(Debug)]
pub(super) struct Mirrors(pub(super) Vec<HttpUrl>);

/// Implemented by hand, because a derived untagged enum would report only that neither variant
/// fits.
impl<'de> Deserialize<'de> for Mirrors {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneOrMany)
    }
}

struct OneOrMany;

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Mirrors;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, or a list of addresses of the same content")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Mirrors, E> {
        text.parse().map(|url| Mirrors(vec![url])).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Mirrors, A::Error> {
        let mut urls = Vec::new();
        while let Some(url) = list.next_element::<HttpUrl>()? {
            if urls.contains(&url) {
                return Err(A::Error::custom(format_args!("{url} is listed twice")));
            }
            urls.push(url);
        }
        if urls.is_empty() {
            return Err(A::Error::custom("there must be at least one address"));
        }
        Ok(Mirrors(urls))
    }
}
