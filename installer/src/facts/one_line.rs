//! apt's one-line format: `deb [option=value] URI suite component…`.

use super::apt::Draft;

/// Returns the sources of a `.list` file.
///
/// # Errors
///
/// A line is neither a source nor a comment.
pub(super) fn parse(text: &str) -> Vec<Result<Draft<'_>, &'static str>> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(line).collect()
}

fn line(line: &str) -> Result<Draft<'_>, &'static str> {
    let (kind, rest) = line.split_once([' ', '\t']).ok_or("a line is too short")?;
    let (options, rest) = options(rest.trim())?;
    let mut words = rest.split_whitespace();
    let uri = words.next().ok_or("a line has no URI")?;
    let suite = words.next().ok_or("a line has no suite")?;
    let signed_by = options.iter().find_map(|option| option.strip_prefix("signed-by="));
    Ok(Draft {
        kinds: vec![kind],
        uris: vec![uri],
        suites: vec![suite],
        components: words.collect(),
        signed_by: signed_by.map(|keys| vec![keys]),
        enabled: None,
    })
}

/// Splits a line into the options in brackets and the rest.
fn options(rest: &str) -> Result<(Vec<&str>, &str), &'static str> {
    let Some(rest) = rest.strip_prefix('[') else { return Ok((Vec::new(), rest)) };
    let (options, rest) = rest.split_once(']').ok_or("a line has an unclosed bracket")?;
    Ok((options.split_whitespace().collect(), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_options_and_components_are_told_apart() {
        let text = "# deb x y\n\ndeb http://a/debian bookworm main contrib # why\ndeb-src [ arch=amd64 signed-by=/k.gpg ] http://b/ ./\ndeb http://c\ndeb [x http://d e\nnothing\n";
        let parsed = parse(text);
        let first = parsed[0].as_ref().unwrap();
        assert_eq!(
            (first.kinds[0], first.uris[0], first.suites[0]),
            ("deb", "http://a/debian", "bookworm")
        );
        assert_eq!(first.components, ["main", "contrib"]);
        let second = parsed[1].as_ref().unwrap();
        assert_eq!(second.signed_by.as_deref(), Some(["/k.gpg"].as_slice()));
        assert_eq!((second.uris[0], second.suites[0]), ("http://b/", "./"));
        assert!(second.components.is_empty());
        assert_eq!(parsed.iter().filter(|line| line.is_err()).count(), 3);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(deb ?\\[?[a-z= ]*\\]? ?\\PC{0,10}\n){0,4}|\\PC*") {
            parse(&text);
        }
    }
}
