/// An authentication challenge: one part of a `WWW-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// How: `bearer`, `basic`; in lower case.
    pub(super) scheme: String,
    /// Names, in lower case, and values.
    params: Vec<(String, String)>,
}

/// The most bytes of a header that are looked at.
const MAX_LEN: usize = 8 << 10;

impl Challenge {
    /// Returns the challenges of a header, up to the first violation of the grammar of RFC 9110.
    pub(super) fn all(header: &str) -> Vec<Self> {
        let mut parser = Parser(if header.len() > MAX_LEN { "" } else { header });
        let mut challenges: Vec<Self> = Vec::new();
        while let Some(word) = parser.word() {
            if parser.eat('=') {
                let Some(value) = parser.value() else { break };
                let Some(challenge) = challenges.last_mut() else { break };
                challenge.params.push((word, value));
            } else {
                challenges.push(Self { scheme: word, params: Vec::new() });
            }
        }
        challenges
    }

    /// The value of a parameter.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

struct Parser<'h>(&'h str);

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn eat(&mut self, c: char) -> bool {
        self.skip_blanks();
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A scheme or the name of a parameter, in lower case.
    fn word(&mut self) -> Option<String> {
        while self.eat(',') {}
        self.token().map(|token| token.to_ascii_lowercase())
    }

    fn token(&mut self) -> Option<String> {
        self.skip_blanks();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then(|| token.to_owned())
    }

    /// A token, or a string in quotes.
    fn value(&mut self) -> Option<String> {
        if !self.eat('"') {
            return self.token();
        }
        let mut value = String::new();
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_registries_write() {
        let header = "Bearer realm=\"https://auth.example/token\",service=\"registry.example\",\
                      scope=\"repository:a/b:pull\"";
        let [bearer] = &Challenge::all(header)[..] else { panic!() };
        assert_eq!(bearer.scheme, "bearer");
        assert_eq!(bearer.param("realm"), Some("https://auth.example/token"));
        assert_eq!(bearer.param("service"), Some("registry.example"));
        assert_eq!(bearer.param("error"), None);

        let two = "BASIC Realm=\"a \\\"quoted\\\" name\" , bearer realm = token, x=\"a,b\"";
        let [basic, bearer] = &Challenge::all(two)[..] else { panic!() };
        assert_eq!((&*basic.scheme, basic.param("realm")), ("basic", Some("a \"quoted\" name")));
        assert_eq!((bearer.param("realm"), bearer.param("x")), (Some("token"), Some("a,b")));
    }

    #[test]
    fn what_breaks_off_is_not_made_up() {
        let [bearer] = &Challenge::all("Bearer realm=\"https://auth.example")[..] else { panic!() };
        assert_eq!(bearer.param("realm"), None);
        for bad in
            ["", "=", "realm=\"a\"", ",,,", &format!("Bearer realm=\"{}\"", "a".repeat(9000))]
        {
            assert_eq!(Challenge::all(bad), [], "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_to_its_end(header in ".{0,200}") {
            Challenge::all(&header);
        }

        #[test]
        fn any_header_made_of_its_words_is_read_to_its_end(header in "[Bb=\", \\\\a]{0,200}") {
            Challenge::all(&header);
        }
    }
}
