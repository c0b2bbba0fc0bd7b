//! The command line of `portolan-agent doctor`.

use std::ffi::OsString;

use clap::{Parser, ValueEnum};
use portolan_sockets::Options;

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

/// What is to be found out.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where and how the host is looked at.
    pub look: Options,
    /// Whether the kernel's events are wanted.
    pub events: bool,
    /// How to reach the server, if it is to be asked.
    pub server: Option<Config>,
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

    /// What is asked.
    ///
    /// # Errors
    /// All mistakes at once where a server is given, else those about the host.
    pub fn check(self) -> Result<Question, Mistakes> {
        if !self.agent.names_a_server() {
            let events = self.agent.wants_events();
            return Ok(Question {
                look: self.agent.checked_look()?,
                events,
                server: None,
            });
        }
        let config = self.agent.check()?;
        Ok(Question {
            look: config.look.clone(),
            events: config.events,
            server: Some(config),
        })
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
    fn the_host_is_looked_at_where_the_agent_is_told_that_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let asked = || read(&["--host-root", root]).check();
        assert!(asked().unwrap_err().to_string().contains("--host-root"));
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        assert_eq!(asked().unwrap().look.host_root, folder.path());
    }

    #[test]
    fn a_server_is_asked_only_if_given_and_then_all_of_it_must_be() {
        let asked = read(&[]).check().unwrap();
        assert!(asked.events && asked.server.is_none());
        assert!(!read(&["--events", "off"]).check().unwrap().events);
        let mistakes = read(&["--server", "http://127.0.0.1:1"])
            .check()
            .unwrap_err();
        assert!(mistakes.to_string().contains("--project"), "{mistakes}");
        assert!(read(&["--output", "json"]).is_json() && !read(&[]).is_json());
    }
}
