//! Places for connections: how many there are, and how many one address may hold.

use std::net::IpAddr;

use portolan_server::Limits;

use crate::app::{ALL, App, Token, metric};
use crate::client::{Connection, Request};
use crate::support::eventually;

fn reached(limit: &str) -> String {
    format!("portolan_limits_reached_total{{limit=\"{limit}\"}}")
}

fn places(connections: usize, spares_loopback: bool) -> App {
    let limits = Limits {
        connections,
        spares_loopback,
        ..Limits::default()
    };
    App::with_limits(&[], limits)
}

fn healthy(connection: &mut Connection) {
    assert_eq!(connection.send(&Request::get("/healthz")).status, 200);
}

/// Invariant 7: connections have a cap; what is beyond it waits and is served in its turn.
#[test]
fn a_connection_beyond_the_most_waits_until_another_ends() {
    let app = places(3, true);
    let mut held = [app.connect(), app.connect(), app.connect()];
    held.iter_mut().for_each(healthy);
    let mut beyond = app.connect();
    beyond.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let [first, second, third] = &mut held;
    eventually("the server waits for a place", || {
        metric(first, &reached("connections")) == 1
    });
    assert_eq!(metric(second, "portolan_http_connections"), 3);
    assert_eq!(metric(third, "portolan_http_connections_total"), 3);
    let [first, ..] = held;
    drop(first);
    assert_eq!(beyond.read("GET").status, 200);
    assert_eq!(metric(&mut beyond, "portolan_http_connections_total"), 4);
}

/// Invariant 7: one client takes no more than its share, whatever it does.
#[test]
fn one_address_holds_a_quarter_of_the_places_and_others_are_served() {
    let app = places(8, false);
    let [greedy, other] = ["127.0.0.2", "127.0.0.3"].map(|text| text.parse::<IpAddr>().unwrap());
    let from = |client| Connection::open_from(client, app.address());
    let mut held = vec![from(greedy), from(greedy)];
    held.iter_mut().for_each(healthy);
    for count in 1..=5 {
        assert_eq!(from(greedy).wait_for_end(), b"", "no answer, only an end");
        let mut other = from(other);
        assert_eq!(
            metric(&mut other, &reached("connections_of_an_address")),
            count
        );
    }
    held.iter_mut().for_each(healthy);
    held.pop();
    eventually("its place is free again", || {
        let mut again = from(greedy);
        again.try_write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        again.wait_for_end().starts_with(b"HTTP/1.1 200")
    });
}

/// With agents that keep their connections, idle ones would otherwise hold all places.
#[test]
fn answers_end_their_connections_while_places_are_scarce() {
    let app = places(8, true);
    let mut held: Vec<_> = (0..6).map(|_| app.connect()).collect();
    held.iter_mut().for_each(healthy);
    let ends = |connection: &mut Connection| {
        let answer = connection.send(&Request::get("/healthz"));
        answer.header("connection") == Some("close")
    };
    assert!(held.iter_mut().all(|connection| !ends(connection)));
    let mut seventh = app.connect();
    assert!(ends(&mut seventh), "fewer than a quarter is left");
    assert_eq!(seventh.wait_for_end(), b"");
    drop(held.split_off(3));
    eventually("connections are kept again", || !ends(&mut app.connect()));
}

/// A full house keeps nobody from what needs no new connection.
#[test]
fn those_who_are_in_are_served_while_others_wait() {
    let (reader, limits) = (
        Token::reader("p1", ALL),
        Limits {
            connections: 2,
            ..Limits::default()
        },
    );
    let app = App::with_limits(&[&reader], limits);
    let mut inside = app.connect();
    healthy(&mut inside);
    let waiting: Vec<_> = (0..20).map(|_| app.connect()).collect();
    let target = "/v5/p1/asset/port/statistics";
    for _ in 0..50 {
        assert_eq!(
            inside.send(&Request::get(target).token(&reader)).status,
            200
        );
    }
    drop(waiting);
}
