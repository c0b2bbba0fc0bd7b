//! `export`: all open ports or all changes, as they come from the server.
//!
//! Holds: what was cut is no file, and ends with exit code 1 where it went to the standard output.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::{Export, ExportFormat, ExportRows};
use crate::client::Client;
use crate::{output, whole_file};

/// Longest line that is shown on a terminal as one, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Bytes between two signs of life.
const TOLD_BYTES: u64 = 1 << 20;

pub(crate) fn export(arguments: &Export) -> anyhow::Result<ExitCode> {
    let client = Client::of(&arguments.target)?;
    let mut answer = client.open("/export", &query(arguments))?;
    let as_of = answer.headers().get("x-portolan-as-of");
    let as_of = as_of.and_then(|at| at.to_str().ok()).map(str::to_owned);
    let body = answer.body_mut().with_config().limit(u64::MAX).reader();
    let mut rows = Counted::of(body, arguments.format);
    let received = "the export was cut: what came of it is not all";
    match &arguments.file {
        Some(file) => {
            let copy = |to: &mut File| io::copy(&mut rows, to).map(drop).context(received);
            whole_file::write(file, 0o666, copy, |_| Ok(()))?;
        }
        None if io::stdout().is_terminal() => {
            show(&mut rows, arguments.format).context(received)?
        }
        None => pass_on(&mut rows).context(received)?,
    }
    rows.say_all(as_of.as_deref());
    Ok(ExitCode::SUCCESS)
}

fn query(arguments: &Export) -> Vec<(&str, &str)> {
    let rows = match arguments.rows {
        ExportRows::OpenPorts => "open_ports",
        ExportRows::Changes => "changes",
    };
    let format = match arguments.format {
        ExportFormat::Jsonl => "jsonl",
        ExportFormat::Csv => "csv",
    };
    let mut query = vec![("rows", rows), ("format", format)];
    for (name, value) in [
        ("as_of", &arguments.as_of),
        ("since", &arguments.since),
        ("until", &arguments.until),
        ("kind", &arguments.kinds),
        ("enterprise_project_id", &arguments.enterprise_project),
        ("host_id", &arguments.host_id),
        ("category", &arguments.category),
        ("type", &arguments.kind),
        ("port", &arguments.port),
        ("exposure", &arguments.exposure),
    ] {
        query.extend(value.as_deref().map(|value| (name, value)));
    }
    if arguments.damped {
        query.push(("damped", "true"));
    }
    query
}

/// To the standard output, until nobody reads any more (`| head`).
fn pass_on(rows: &mut impl Read) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = rows.read(&mut bytes)?;
        let written = stdout.write_all(bytes.get(..read).unwrap_or_default());
        match written {
            Ok(()) if read > 0 => {}
            Ok(()) => return stdout.flush(),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// On a terminal, which nothing in the data may steer.
fn show(rows: &mut impl Read, format: ExportFormat) -> io::Result<()> {
    let mut lines = BufReader::new(rows);
    loop {
        let mut line = Vec::new();
        let mut rest = (&mut lines).take(LINE_BYTES_MAX);
        if rest.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line);
        output::line(
            line.trim_end_matches(['\r', '\n']),
            format == ExportFormat::Jsonl,
        )?;
    }
}

/// Counts the rows that pass, and tells of them where somebody looks on.
struct Counted<R> {
    from: R,
    is_csv: bool,
    /// Where it is, in CSV: a line may end within quotes.
    in_quotes: bool,
    lines: u64,
    bytes: u64,
    told: u64,
    is_watched: bool,
}

impl<R: Read> Counted<R> {
    fn of(from: R, format: ExportFormat) -> Self {
        Self {
            from,
            is_csv: format == ExportFormat::Csv,
            in_quotes: false,
            lines: 0,
            bytes: 0,
            told: 0,
            is_watched: io::stderr().is_terminal() && !io::stdout().is_terminal(),
        }
    }

    fn rows(&self) -> u64 {
        self.lines.saturating_sub(u64::from(self.is_csv))
    }

    fn say_all(&self, as_of: Option<&str>) {
        if self.is_watched {
            let as_of = as_of.map(|at| format!(", as of {at}")).unwrap_or_default();
            output::say(&format!(
                "\r{} rows, {} bytes{as_of}",
                self.rows(),
                self.bytes
            ));
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(to)?;
        for byte in to.iter().take(read) {
            match byte {
                b'"' if self.is_csv => self.in_quotes = !self.in_quotes,
                b'\n' if !self.in_quotes => self.lines += 1,
                _ => {}
            }
        }
        self.bytes += read as u64;
        if self.is_watched && self.bytes - self.told >= TOLD_BYTES {
            self.told = self.bytes;
            // A sign of life that cannot be written is none.
            let _unseen = write!(io::stderr(), "\r{} rows", self.rows());
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_not_lines() {
        let count = |text: &str, format| {
            let mut counted = Counted::of(text.as_bytes(), format);
            io::copy(&mut counted, &mut io::sink()).unwrap();
            counted.rows()
        };
        let csv = "a,b\r\n1,\"x\r\ny \"\"z\"\"\n\"\r\n2,\r\n";
        assert_eq!(count(csv, ExportFormat::Csv), 2);
        assert_eq!(count("a,b\r\n", ExportFormat::Csv), 0);
        assert_eq!(count("{\"a\":\"\\\"\"}\n{}\n", ExportFormat::Jsonl), 2);
    }
}
