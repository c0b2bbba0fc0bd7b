//! The embedded store from outside: what it keeps, what it refuses, what a kill leaves.
#![cfg(test)]

mod damage;
mod files;
mod full_disk;
mod kill;
mod model;
mod repair;
mod store;
