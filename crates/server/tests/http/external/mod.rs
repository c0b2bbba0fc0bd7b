//! A Keystone elsewhere: what it says of a token is what the token may, and no more or longer.
//!
//! The Keystone is a server over real sockets that answers the bytes which a real one answered;
//! `vectors/keystone/README.md` says how they were recorded.

mod keeping;
mod recorded;
mod trouble;
mod what_it_grants;
