//! The Keystone v3 shape: how clients of OpenStack and of HSS log in and learn where to go.
//!
//! `POST /v3/auth/tokens` makes a session (`credentials::session`), a token like others to every other
//! route. Projects and domains have no names of their own here: a name is an id.
//! Holds: an unknown user and a wrong password get the same answer after the same work; a token that
//! may not be seen and one that is unknown are the same 404; errors have Keystone's form.

mod answer;
mod body;
mod links;
mod log_in;
mod passwords;
mod projects;
mod request;
mod subject;
mod sweep;
mod version;

pub(crate) use log_in::log_in;
pub(crate) use passwords::Logins;
pub(crate) use projects::{domains, projects};
pub(crate) use subject::{log_out, validate};
pub(crate) use sweep::sweep;
pub(crate) use version::version;
