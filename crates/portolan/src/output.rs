//! What the commands write: data on stdout as a table, JSON or CSV; words on stderr.

use std::io::{self, Write as _};

use portolan_wire::visible::{is_harmless, visible};
use serde_json::Value;

/// Says something to the person at the terminal.
#[expect(
    clippy::print_stderr,
    reason = "for a person, who gets it without log fields"
)]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Writes data. A reader that has gone (`| head`) is no failure.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let written = io::stdout().lock().write_all(text.as_bytes());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a JSON document. What could steer a terminal stands in it as an escape of JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(data(&json_visible(&text))?)
}

/// A JSON document in one line.
pub(crate) fn json_line(value: &Value) -> String {
    json_visible(&value.to_string())
}

fn json_visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c == '\n' || is_harmless(c) {
            visible.push(c);
        } else {
            // Such characters stand in strings only, where this is the same character.
            visible.extend(
                c.encode_utf16(&mut [0; 2])
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}")),
            );
        }
    }
    visible.push('\n');
    visible
}

/// Rows of text under a head, for [`table`](Self::table) or [`csv`](Self::csv).
pub(crate) struct Rows {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    pub(crate) fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Columns as wide as their widest cell; numbers to the right.
    pub(crate) fn table(&self) -> String {
        let head: Vec<String> = self.head.iter().map(|cell| cell.to_uppercase()).collect();
        let shown: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| visible(cell)).collect())
            .collect();
        let width = |column: usize| {
            let cells = std::iter::once(&head)
                .chain(&shown)
                .filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut text = String::new();
        for row in std::iter::once(&head).chain(&shown) {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| {
                let number = !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
                if number {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// RFC 4180.
    pub(crate) fn csv(&self) -> String {
        let mut text = String::new();
        let head = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            text.push_str(&Self::csv_row(row));
        }
        text
    }

    /// One line of it.
    pub(crate) fn csv_row(row: &[String]) -> String {
        let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        cells.join(",") + "\r\n"
    }
}

/// A cell of CSV. A spreadsheet takes what begins like a formula for one: an apostrophe in front
/// makes it text.
fn quoted(cell: &str) -> String {
    let cell = visible(cell);
    let cell = if cell.starts_with(['=', '+', '-', '@']) {
        format!("'{cell}")
    } else {
        cell
    };
    if cell.contains(['"', ',']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

/// A JSON value as a cell: strings bare, null empty.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_lets_nothing_steer_the_terminal() {
        let mut rows = Rows::new(&["port", "path"]);
        rows.push(vec!["22".into(), "/a\u{1b}[31m\u{202e}".into()]);
        rows.push(vec!["65535".into(), "/b".into()]);
        assert_eq!(
            rows.table(),
            "PORT   PATH\n   22  /a\\u{1b}[31m\\u{202e}\n65535  /b\n"
        );
    }

    #[test]
    fn csv_quotes_what_needs_it_and_holds_no_formula() {
        let mut rows = Rows::new(&["path"]);
        for cell in ["/a \"b\",c", "=HYPERLINK(\"x\")", "-1", "/a\u{1b}[0m\nb"] {
            rows.push(vec![cell.into()]);
        }
        let expected = "path\r\n\"/a \"\"b\"\",c\"\r\n\"'=HYPERLINK(\"\"x\"\")\"\r\n'-1\r\n/a\\u{1b}[0m\\nb\r\n";
        assert_eq!(rows.csv(), expected);
    }

    #[test]
    fn json_stays_the_same_document_and_steers_nothing() {
        let value = serde_json::json!({"path": "/a\u{202e}\u{9b}b\u{1b}", "ok": "é中"});
        let text = json_visible(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            text.contains("\\u202e\\u009bb\\u001b") && text.contains("é中"),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
