//! Reads docs/OPERATIONS.md as a script: what is fenced as `sh` is meant to be typed.

use anyhow::{Context as _, bail};

const FENCE: &str = "```";

/// A part of the document, under the heading nearest above.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) heading: String,
    /// The lines of its blocks of commands; empty where there are none.
    pub(super) commands: String,
}

/// The document's sections, in order.
///
/// # Errors
/// A block that is not closed, a block of commands above the first heading, two headings of one name.
pub(super) fn sections(text: &str) -> anyhow::Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    let mut block: Option<&str> = None;
    for line in text.lines() {
        match (block, line.strip_prefix(FENCE)) {
            (None, Some(kind)) => block = Some(kind),
            (Some(_), Some(_)) => block = None,
            (None, None) => {
                if let Some(heading) = heading(line) {
                    begin(&mut sections, heading)?;
                }
            }
            (Some("sh"), None) => {
                let section = sections.last_mut();
                let section = section.context("a block of commands above the first heading")?;
                section.commands.push_str(line);
                section.commands.push('\n');
            }
            (Some(_), None) => {}
        }
    }
    if block.is_some() {
        bail!("the last block is not closed");
    }
    Ok(sections)
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len())
        .then(|| text.strip_prefix(' '))
        .flatten()
}

fn begin(sections: &mut Vec<Section>, heading: &str) -> anyhow::Result<()> {
    if sections.iter().any(|section| section.heading == heading) {
        bail!("two headings are called {heading:?}");
    }
    sections.push(Section {
        heading: heading.to_owned(),
        commands: String::new(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_gathered_under_their_heading_and_nothing_else_is() {
        let text = "# A\n```sh\none\n# no heading\n```\nprose\n```sh\ntwo\n```\n```toml\nx = 1\n```\n    indented\n## B\n";
        let section = |heading: &str, commands: &str| Section {
            heading: heading.into(),
            commands: commands.into(),
        };
        let expected = [section("A", "one\n# no heading\ntwo\n"), section("B", "")];
        assert_eq!(sections(text).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for text in ["# A\n```sh\none\n", "```sh\none\n```\n", "# A\n## A\n"] {
            assert!(sections(text).is_err(), "{text:?}");
        }
    }
}
