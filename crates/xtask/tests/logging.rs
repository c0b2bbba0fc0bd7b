//! docs/LOGGING.md, as far as a program can check it: every call of `tracing::…!` in the code that
//! ships, against the rules and against the documents.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// One call.
struct Line {
    place: String,
    level: &'static str,
    fields: Vec<String>,
    message: String,
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_owned()
}

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn lines() -> Vec<Line> {
    let mut files = Vec::new();
    for program in [
        "agent", "census", "portolan", "server", "sockets", "store", "wire",
    ] {
        sources(&root().join("crates").join(program).join("src"), &mut files);
    }
    let mut lines = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let place = file.strip_prefix(root()).unwrap().display().to_string();
        assert!(
            !text.contains("use tracing::"),
            "{place}: written out, a call is found here"
        );
        for level in LEVELS {
            let call = format!("tracing::{level}!(");
            for (at, _) in text.match_indices(&call) {
                lines.push(line(&place, level, &text[at + call.len()..]));
            }
        }
    }
    assert!(lines.len() > 40, "only {} calls were found", lines.len());
    lines
}

/// Reads the arguments of a call up to its closing parenthesis.
fn line(place: &str, level: &'static str, text: &str) -> Line {
    let mut arguments = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 1 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        arguments.last_mut().unwrap().push(c);
    }
    let mut arguments: Vec<&str> = arguments.iter().map(|it| it.trim()).collect();
    arguments.retain(|argument| !argument.is_empty());
    let message = arguments.pop().unwrap();
    let message = message
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'));
    let message = message.unwrap_or_else(|| panic!("{place}: the message is no literal"));
    let name = |argument: &&str| argument.split('=').next().unwrap().trim().to_owned();
    let fields = arguments.iter().map(name);
    Line {
        place: place.to_owned(),
        level,
        fields: fields
            .map(|it| it.trim_start_matches(['%', '?']).to_owned())
            .collect(),
        message: joined(message),
    }
}

/// A literal's lines, as the compiler joins them.
fn joined(literal: &str) -> String {
    let mut parts = literal.split("\\\n");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + part.trim_start())
}

/// What stands in backticks in the first column of the document's tables.
fn named_in_tables(document: &str) -> BTreeSet<&str> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| row.split(" | ").next().unwrap());
    cells
        .flat_map(|cell| cell.split("`, `"))
        .map(|it| it.trim_end_matches('`'))
        .collect()
}

#[test]
fn a_message_is_constant_and_reads_alone() {
    for Line { place, message, .. } in lines() {
        assert!(
            !message.contains(['{', '}']),
            "{place}: values are fields: {message:?}"
        );
        let first = message.chars().next().unwrap();
        assert!(
            first.is_lowercase() && !message.ends_with('.'),
            "{place}: {message:?}"
        );
        assert!(
            message.split(' ').count() >= 3,
            "{place}: no sentence: {message:?}"
        );
    }
}

#[test]
fn every_field_is_in_the_table_of_fields_and_the_other_way_round() {
    let document = document("LOGGING.md");
    let named = named_in_tables(&document);
    let mut used = BTreeSet::new();
    for Line {
        place,
        fields,
        message,
        ..
    } in lines()
    {
        for field in fields {
            assert!(
                named.contains(field.as_str()),
                "{place}: {field} of {message:?}"
            );
            used.insert(field);
        }
    }
    let unused: Vec<_> = named
        .iter()
        .filter(|name| !used.contains(**name) && !LEVELS.contains(name))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// Who is warned must be able to look up what it means and what to do.
#[test]
fn every_warning_and_error_is_explained_in_the_document_of_operation() {
    let document = document("OPERATIONS.md");
    let explained = named_in_tables(&document);
    let mut unexplained = Vec::new();
    for Line {
        place,
        level,
        message,
        ..
    } in lines()
    {
        if ["warn", "error"].contains(&level) && !explained.contains(message.as_str()) {
            unexplained.push(format!("{place}: {level} {message}"));
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}
