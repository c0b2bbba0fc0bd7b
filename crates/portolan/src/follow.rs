//! `changes --follow`: one line a change as it happens, over connections that come and go.
//!
//! Each connection begins behind the last id of the one before, so that nothing is missed or told
//! twice; where the server no longer has what is behind it, that is said.

use std::io::{self, BufRead, BufReader};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::changes::HEAD;
use crate::cli::Output;
use crate::client::{Client, NoStream};
use crate::output::{self, Rows, cell};
use crate::signals::{Asked, Signals};

/// Shortest and longest time before it is asked again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Longest line of a stream that is read, in bytes: no change comes near it.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Follows until it is interrupted, or nobody reads any more.
pub(crate) fn follow(
    client: Client,
    query: Vec<(String, String)>,
    form: Output,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (end, mut ended) = oneshot::channel();
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    // It waits for the network where no signal reaches it; the process ends without it.
    std::thread::spawn(move || {
        let mut following = Following {
            client,
            query,
            form,
            last_id: None,
        };
        // Nobody listens only when the process ends.
        let _ending = end.send(following.run());
    });
    runtime.block_on(async {
        loop {
            tokio::select! {
                asked = signals.next() => if asked == Asked::End {
                    return Ok(ExitCode::SUCCESS);
                },
                done = &mut ended => {
                    done??;
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    })
}

struct Following {
    client: Client,
    query: Vec<(String, String)>,
    form: Output,
    last_id: Option<String>,
}

/// Whoever reads the output has gone.
struct Gone;

impl Following {
    fn run(&mut self) -> anyhow::Result<()> {
        if self.form == Output::Csv && print(&Rows::new(&HEAD).csv())?.is_err() {
            return Ok(());
        }
        let (mut wait, mut told) = (AGAIN.0, false);
        loop {
            let query: Vec<_> = self
                .query
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            match self
                .client
                .stream("/changes/stream", &query, self.last_id.as_deref())
            {
                Ok(body) => {
                    (wait, told) = (AGAIN.0, false);
                    if self.read(BufReader::new(body))?.is_err() {
                        return Ok(());
                    }
                }
                // At first it is a mistake; later the server is away for a while.
                Err(NoStream { why, may_pass }) if !may_pass || self.last_id.is_none() => {
                    return Err(why);
                }
                Err(NoStream { why, .. }) => {
                    if !told {
                        output::say(&format!("portolan: {why:#}; trying again until it answers"));
                    }
                    told = true;
                }
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(AGAIN.1);
        }
    }

    /// Reads a stream to its end, whatever that is.
    fn read(&mut self, stream: impl BufRead) -> io::Result<Result<(), Gone>> {
        let mut stream = stream;
        let (mut name, mut id, mut data) = (String::new(), String::new(), String::new());
        loop {
            let mut line = String::new();
            let read = io::Read::take(&mut stream, LINE_BYTES_MAX).read_line(&mut line);
            if !line.ends_with('\n') || read.is_err() {
                return Ok(Ok(()));
            }
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                if self.event(&name, &data)?.is_err() {
                    return Ok(Err(Gone));
                }
                // Only now: what is cut in the middle comes again.
                if !id.is_empty() {
                    self.last_id = Some(std::mem::take(&mut id));
                }
                name.clear();
                data.clear();
            } else if let Some((field, value)) = line.split_once(": ") {
                match field {
                    "event" => value.clone_into(&mut name),
                    "id" => value.clone_into(&mut id),
                    "data" => value.clone_into(&mut data),
                    _ => {}
                }
            }
        }
    }

    fn event(&self, name: &str, data: &str) -> io::Result<Result<(), Gone>> {
        match name {
            "change" => {
                let change = serde_json::from_str(data)?;
                print(&line(self.form, &change))
            }
            "reset" => {
                output::say(
                    "portolan: the server no longer has all that happened since the last change; going on from now",
                );
                Ok(Ok(()))
            }
            // It comes again from where it was cut.
            _ => Ok(Ok(())),
        }
    }
}

/// One line, for whoever reads lines.
fn line(form: Output, change: &Value) -> String {
    let cells = || {
        HEAD.iter()
            .map(|name| cell(change.get(name).unwrap_or(&Value::Null)))
    };
    match form {
        Output::Json => output::json_line(change),
        Output::Csv => Rows::csv_row(&cells().collect::<Vec<_>>()),
        Output::Table => {
            let shown = cells().filter(|cell| !cell.is_empty());
            let shown: Vec<String> = shown
                .map(|cell| portolan_wire::visible::visible(&cell))
                .collect();
            shown.join("  ") + "\n"
        }
    }
}

/// Writes at once; says whether somebody reads it.
fn print(text: &str) -> io::Result<Result<(), Gone>> {
    use std::io::Write as _;
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Err(Gone)),
        other => other.map(Ok),
    }
}
