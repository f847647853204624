//! Plain tables for the terminal: columns as wide as their longest cell.

use unicode_width::UnicodeWidthStr;

use super::inert;

/// Rows of equal length; the first is the heading. Numbers are set to the right. Cells may hold what others have written.
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| inert(cell)).collect()).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0)).collect();
    let numeric: Vec<bool> =
        (0..columns).map(|column| rows.len() > 1 && rows[1..].iter().all(|row| is_number(&row[column]))).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.width());
            let cell = if numeric[column] { format!("{pad}{cell}") } else { format!("{cell}{pad}") };
            line.push_str(&cell);
            line.push_str("  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn is_number(text: &str) -> bool {
    text.is_empty() || text.trim_end_matches(" s").parse::<f64>().is_ok()
}

/// The same rows as a Markdown table.
pub fn markdown(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        out.push_str(&line(row));
        if number == 0 {
            out.push_str(&format!("|{}\n", " --- |".repeat(row.len())));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        [["name", "value"], ["accuracy", "0.5"], ["n|m", "12"]].map(|row| row.map(str::to_owned).to_vec()).to_vec()
    }

    #[test]
    fn numbers_are_set_to_the_right() {
        insta::assert_snapshot!(table(&rows()), @r"
        name      value
        accuracy    0.5
        n|m          12
        ");
    }

    #[test]
    fn a_cell_does_nothing_to_a_terminal() {
        let rows = [["name"], ["a\x1b[2J\x1b]0;owned\x07b\nc"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "name\na[2J]0;ownedb c\n");
    }

    #[test]
    fn markdown_escapes_bars() {
        insta::assert_snapshot!(markdown(&rows()), @r"
        | name | value |
        | --- | --- |
        | accuracy | 0.5 |
        | n\|m | 12 |
        ");
    }
}
