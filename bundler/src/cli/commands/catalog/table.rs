/// Formats rows as aligned columns, the heading first, without trailing blanks.
pub(super) fn lines<'h>(
    heading: impl AsRef<[&'h str]>,
    rows: &[impl AsRef<[String]>],
) -> Vec<String> {
    let heading = heading.as_ref();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row.as_ref()[column].chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let rows =
        rows.iter().map(|row| line(&row.as_ref().iter().map(String::as_str).collect::<Vec<_>>()));
    std::iter::once(line(heading)).chain(rows).collect()
}

/// Returns the value, or a dash if it is empty.
pub(super) fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["a", "bcd", "-"], ["é23", "", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(lines(["x", "y", "z"], &rows), ["x    y    z", "a    bcd  -", "é23"]);
        assert_eq!(lines(["x"], &[] as &[[String; 1]]), ["x"]);
        assert_eq!(or_dash(String::new()), "-");
    }
}
