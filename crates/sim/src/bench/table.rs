//! The figures as one Markdown table, as they go into the project's documents.

use std::io::{self, Write};

use crate::bench::spread::Spread;

/// Lines of a figure, its value, and its spread or what must be known of it.
#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<[String; 3]>,
    missed: Vec<String>,
}

impl Table {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A figure that was taken once.
    pub fn figure(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
        note: impl Into<String>,
    ) {
        self.lines.push([name.into(), value.into(), note.into()]);
    }

    /// A figure that was taken in several rounds; nothing when there was none.
    pub fn spread(
        &mut self,
        name: impl Into<String>,
        spread: Option<Spread>,
        shown: impl Fn(f64) -> String,
    ) {
        let Some(Spread {
            median,
            lowest,
            highest,
        }) = spread
        else {
            return;
        };
        let note = format!("median; {} to {}", shown(lowest), shown(highest));
        self.figure(name, shown(median), note);
    }

    /// A figure that must not be more than `most`: beyond it the bench has failed, once it has told all
    /// its figures.
    pub fn goal(&mut self, name: &str, value: f64, most: f64, shown: impl Fn(f64) -> String) {
        if value > most {
            let (value, most) = (shown(value), shown(most));
            self.missed
                .push(format!("{name}: {value}, must be at most {most}"));
        }
    }

    /// The goals that were missed.
    pub fn missed(&self) -> &[String] {
        &self.missed
    }

    /// Writes it to stdout.
    ///
    /// # Errors
    /// Stdout takes no more.
    pub fn print(&self) -> io::Result<()> {
        io::stdout().lock().write_all(self.to_markdown().as_bytes())
    }

    fn to_markdown(&self) -> String {
        let mut text = "| figure | value | spread, note |\n|---|---:|---|\n".to_owned();
        for line in &self.lines {
            // A bar would begin a cell of its own.
            let [name, value, note] = line.each_ref().map(|cell| cell.replace('|', "\\|"));
            text.push_str(&format!("| {name} | {value} | {note} |\n"));
        }
        text
    }
}

/// A number with `,` between thousands: `42,881`.
pub fn whole(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds, to a tenth.
pub fn micros(micros: f64) -> String {
    format!("{micros:.1} us")
}

/// A ratio, to a hundredth.
pub fn times(ratio: f64) -> String {
    format!("{ratio:.2}x")
}

/// Bytes in MB of 10^6.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.5, "1,000"),
            (88_860.0, "88,860"),
            (1e6, "1,000,000"),
        ] {
            assert_eq!(whole(number), text);
        }
    }

    #[test]
    fn a_goal_is_missed_beyond_what_is_allowed_and_not_at_it() {
        let mut table = Table::new();
        table.goal("met", 3.0, 3.0, times);
        table.goal("missed", 3.01, 3.0, times);
        assert_eq!(table.missed(), ["missed: 3.01x, must be at most 3.00x"]);
    }

    #[test]
    fn the_table_is_markdown_and_no_cell_breaks_it() {
        let mut table = Table::new();
        table.figure("hosts", "3", "a|b");
        table.spread("rate", Spread::of([1.0, 2.0, 3.0]), times);
        table.spread("nothing", None, times);
        let expected = "| figure | value | spread, note |\n|---|---:|---|\n\
            | hosts | 3 | a\\|b |\n| rate | 2.00x | median; 1.00x to 3.00x |\n";
        assert_eq!(table.to_markdown(), expected);
    }
}
