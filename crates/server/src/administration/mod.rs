//! What the role admin does: credentials are made, listed and revoked, hosts removed.
//!
//! Holds: an act is durable, in the audit log, and in effect for every following request before it
//! is answered, whether or not its client still waits; a secret is in the one answer that made it and
//! nowhere else; an administrator grants no more than its own project and enterprise projects, and
//! sees and revokes only what it could have granted.

mod access_keys;
mod act;
mod create;
mod enrol_keys;
mod hosts;
mod list;
mod revoke;

pub(crate) use access_keys::{MadeAccessKey, create_access_key};
pub(crate) use act::{Intent, act};
pub(crate) use create::{Made, create_token, create_user, created, read};
pub(crate) use enrol_keys::create_enrol_key;
pub(crate) use hosts::remove_host;
pub(crate) use list::{List, is_visible as credential_is_visible, list};
pub(crate) use revoke::revoke;
