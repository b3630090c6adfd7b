use std::fmt;

/// A text screen of the firmware: OVMF writes to the serial port for a terminal of this kind, with the
/// sequences of edk2's `TerminalDxe`.
#[derive(Debug)]
pub(super) struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

/// The largest screen that OVMF uses.
const ROWS: usize = 60;
const COLUMNS: usize = 160;

impl Screen {
    /// Returns the screen after some output.
    pub(super) fn of(output: &[u8]) -> Self {
        let mut screen = Self { lines: vec![vec![' '; COLUMNS]; ROWS], row: 0, column: 0 };
        let text = String::from_utf8_lossy(output);
        let mut rest = text.chars();
        while let Some(char) = rest.next() {
            match char {
                '\u{1b}' => screen.escape(&mut rest),
                '\r' => screen.column = 0,
                '\n' => screen.feed(),
                '\u{8}' => screen.column = screen.column.saturating_sub(1),
                char if char.is_control() => {}
                char => screen.put(char),
            }
        }
        screen
    }

    /// Follows a sequence: `ESC [`, numbers, a letter.
    fn escape(&mut self, rest: &mut std::str::Chars<'_>) {
        if rest.next() != Some('[') {
            return;
        }
        let mut numbers = String::new();
        let end = loop {
            match rest.next() {
                Some(char) if char.is_ascii_alphabetic() => break char,
                Some(char) => numbers.push(char),
                None => return,
            }
        };
        let mut numbers = numbers.split(';').map(|it| it.parse::<usize>().ok());
        let mut next = || numbers.next().flatten();
        match end {
            'H' => {
                let (row, column) = (next().unwrap_or(1), next().unwrap_or(1));
                self.row = row.saturating_sub(1).min(ROWS - 1);
                self.column = column.saturating_sub(1).min(COLUMNS - 1);
            }
            'J' => self.lines = vec![vec![' '; COLUMNS]; ROWS],
            _ => {}
        }
    }

    fn put(&mut self, char: char) {
        self.lines[self.row][self.column] = char;
        self.column = (self.column + 1).min(COLUMNS - 1);
    }

    fn feed(&mut self) {
        if self.row + 1 < ROWS {
            self.row += 1;
        } else {
            self.lines.remove(0);
            self.lines.push(vec![' '; COLUMNS]);
        }
    }
}

/// Shows the lines with text, without frames.
impl fmt::Display for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines.iter().map(|line| line.iter().collect::<String>()) {
            let text = line.trim_matches(|char: char| !char.is_ascii_graphic());
            if !text.is_empty() {
                writeln!(f, "{text}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_output_covers_earlier_output() {
        let output = "lost\u{1b}[2J\u{1b}[0m\u{1b}[44m\u{1b}[02;03H│ Yes │\u{1b}[02;05HNo\r\nend";
        assert_eq!(Screen::of(output.as_bytes()).to_string(), "Nos\nend\n");
    }
}
