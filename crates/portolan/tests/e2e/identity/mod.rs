//! Who a host is and in which order its reports come, from real agents to the counts.
//!
//! Where hours pass, the program's own parts run in this process by a clock that the test sets: the
//! agent's machine and its HTTP transport, and a whole server on a socket ([`scene`]). Elsewhere the
//! programs run as people run them ([`processes`]). Either way a count is what a reader gets, and
//! every test ends with a recount.

mod clocks;
mod clones;
mod processes;
mod proxy;
mod retries;
mod scene;
