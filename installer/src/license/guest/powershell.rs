//! A look at the script for Windows where there is no PowerShell: its quotes, here-texts, comments and
//! brackets, by the rules of `about_Quoting_Rules`.

/// What is open, or why the text cannot be PowerShell.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((n, line)) = lines.next() {
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '#' => break,
                '`' => drop(chars.next()),
                '@' if chars.peek() == Some(&'\'') && chars.clone().count() == 1 => {
                    // A here-text ends at the beginning of a line, and has everything before it.
                    let end = lines.by_ref().find(|(_, line)| line.starts_with("'@"));
                    let (_, rest) = end.ok_or_else(|| format!("line {}: no end", n + 1))?;
                    if rest.len() > 2 {
                        return Err(format!("line {}: more after a here-text", n + 1));
                    }
                    break;
                }
                '\'' => quoted(&mut chars, '\'').ok_or_else(|| format!("line {}: '", n + 1))?,
                '"' => quoted(&mut chars, '"').ok_or_else(|| format!("line {}: \"", n + 1))?,
                '(' | '[' | '{' => open.push((c, n + 1)),
                ')' | ']' | '}' => close(&mut open, c, n + 1)?,
                _ => {}
            }
        }
    }
    open.pop().map_or(Ok(()), |(c, n)| Err(format!("line {n}: {c} stays open")))
}

/// The rest of a quoted text on its line. Two quotes are one in it, and a backtick takes the meaning
/// from what follows in a text of double quotes.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) -> Option<()> {
    while let Some(c) = chars.next() {
        match c {
            '`' if quote == '"' => drop(chars.next()),
            c if c == quote && chars.peek() == Some(&quote) => drop(chars.next()),
            c if c == quote => return Some(()),
            _ => {}
        }
    }
    None
}

fn close(open: &mut Vec<(char, usize)>, c: char, n: usize) -> Result<(), String> {
    let wanted = match c {
        ')' => '(',
        ']' => '[',
        _ => '{',
    };
    match open.pop() {
        Some((found, _)) if found == wanted => Ok(()),
        Some((found, at)) => Err(format!("line {n}: {c} closes {found} of line {at}")),
        None => Err(format!("line {n}: {c} closes nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn it_tells_whole_texts_from_broken_ones() {
        for good in [
            "if ($a) { 'it''s' } # }",
            "$a = \"x`\"y\" -split \"`r?`n\"",
            "$t = @'\n{ ( ' \"\n'@\n$b = [int]$c",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in
            ["if ($a) {", "'a", "\"a`\"", "(]", "}", "$t = @'\ntext", "$t = @'\ntext\n'@ + 1"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
