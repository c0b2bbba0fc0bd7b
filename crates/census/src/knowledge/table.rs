//! The port table as text: one row a line, seven columns, one tab apart.

use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::open_port::Transport;

const TEXT: &str = include_str!("ports.tsv");

/// A port that the table knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownPort {
    /// The port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
    /// Danger or normal; what the table does not know is unknown.
    pub status: PortStatus,
    /// The short name of the service.
    pub service: &'static str,
    /// Where this is written: registry names, RFCs, advisories, vendors' documentation; `; ` between.
    pub source: &'static str,
    /// What it is, in English: 1 to 256 characters.
    pub description: &'static str,
    /// The same in Chinese: 1 to 256 characters.
    pub description_zh: &'static str,
}

/// The rows in the order of the text. A line that is none is passed over: the tests refuse it.
pub(super) fn rows() -> Vec<KnownPort> {
    lines().filter_map(row).collect()
}

fn lines() -> impl Iterator<Item = &'static str> {
    TEXT.lines().filter(|line| !line.starts_with('#'))
}

fn row(line: &'static str) -> Option<KnownPort> {
    let columns: Vec<&str> = line.split('\t').collect();
    let &[
        port,
        transport,
        status,
        service,
        source,
        description,
        description_zh,
    ] = columns.as_slice()
    else {
        return None;
    };
    Some(KnownPort {
        port: port.parse().ok()?,
        transport: match transport {
            "TCP" => Transport::Tcp,
            "UDP" => Transport::Udp,
            _ => return None,
        },
        status: match status {
            "danger" => PortStatus::Danger,
            "normal" => PortStatus::Normal,
            _ => return None,
        },
        service,
        source,
        description,
        description_zh,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_row_and_the_rows_are_sorted_and_unique() {
        for line in lines() {
            assert!(row(line).is_some(), "no row: {line}");
        }
        let rows = rows();
        assert!(rows.len() >= 250, "{} rows", rows.len());
        let keys = rows.iter().map(|row| (row.port, row.transport));
        for (before, after) in keys.clone().zip(keys.skip(1)) {
            assert!(before < after, "{before:?} stands before {after:?}");
        }
        assert!(rows.iter().all(|row| row.port > 0));
    }

    #[test]
    fn every_row_is_told_in_both_languages_within_the_apis_lengths() {
        for row in rows() {
            for text in [row.description, row.description_zh] {
                assert!((1..=256).contains(&text.chars().count()), "{row:?}");
                assert!(!text.contains("  ") && text.trim() == text, "{row:?}");
                assert!(!text.chars().any(char::is_control), "{row:?}");
            }
            assert!(
                row.description.is_ascii() && row.description.ends_with('.'),
                "{row:?}"
            );
            let is_chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
            assert!(row.description_zh.chars().any(is_chinese), "{row:?}");
            assert!(row.description_zh.ends_with('。'), "{row:?}");
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(
                !row.service.is_empty() && row.service.chars().all(is_name),
                "{row:?}"
            );
        }
    }

    /// A name of the IANA registry, an RFC, an advisory, or a vendor's documentation.
    fn is_a_source(text: &str) -> bool {
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let named = |prefix: &str| text.strip_prefix(prefix);
        named("IANA ").is_some_and(|name| !name.is_empty() && !name.contains(' '))
            || named("RFC ").is_some_and(digits)
            || named("CVE-").is_some_and(|id| {
                id.split_once('-')
                    .is_some_and(|(year, number)| digits(year) && digits(number))
            })
            || named("CISA ").is_some_and(|id| id.starts_with("TA") || id.starts_with("ICSA-"))
            || text == "SANS ISC"
            || text
                .strip_suffix(" documentation")
                .is_some_and(|vendor| !vendor.is_empty())
    }

    #[test]
    fn every_row_names_its_sources() {
        for row in rows() {
            for source in row.source.split("; ") {
                assert!(is_a_source(source), "{source:?} of {row:?}");
            }
        }
        for other in ["", "IANA", "RFC x", "CVE-2020", "a page", " documentation"] {
            assert!(!is_a_source(other), "{other:?}");
        }
    }
}
