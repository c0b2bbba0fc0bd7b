//! The command line of `portolan-agent doctor`.

use std::ffi::OsString;

use clap::{Parser, ValueEnum};

use super::{Config, Flags, Mistakes};

/// Says what an agent would see on this machine, what it would not and what is missing for that, and
/// whether the server takes its token, if --server is given. Exits with 0 if nothing is missing, else
/// with 1.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "portolan-agent doctor", version)]
pub struct DoctorFlags {
    #[command(flatten)]
    agent: Flags,
    /// Sentences for people, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    #[default]
    Text,
    Json,
}

impl DoctorFlags {
    /// Reads a command line, the word before its flags first.
    ///
    /// # Errors
    /// A flag that does not exist, and the requests for help and version.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(args)
    }

    /// Whether the answer is to be one JSON document.
    pub fn is_json(&self) -> bool {
        self.output == Form::Json
    }

    /// Whether events are wanted, and how to reach the server, if it is to be asked.
    ///
    /// # Errors
    /// All mistakes at once, where a server is given.
    pub fn check(self) -> Result<(bool, Option<Config>), Mistakes> {
        if !self.agent.names_a_server() {
            return Ok((self.agent.wants_events(), None));
        }
        let config = self.agent.check()?;
        Ok((config.events, Some(config)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> DoctorFlags {
        let args = std::iter::once("doctor").chain(args.iter().copied());
        DoctorFlags::read(args.map(OsString::from)).unwrap()
    }

    #[test]
    fn a_server_is_asked_only_if_given_and_then_all_of_it_must_be() {
        let (events, server) = read(&[]).check().unwrap();
        assert!(events && server.is_none());
        assert!(!read(&["--events", "off"]).check().unwrap().0);
        let mistakes = read(&["--server", "http://127.0.0.1:1"])
            .check()
            .unwrap_err();
        assert!(mistakes.to_string().contains("--project"), "{mistakes}");
        assert!(read(&["--output", "json"]).is_json() && !read(&[]).is_json());
    }
}
