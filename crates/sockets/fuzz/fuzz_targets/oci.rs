//! One parser of portolan-sockets: see its `fuzz` module.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portolan_sockets::fuzz::run("oci", bytes));
