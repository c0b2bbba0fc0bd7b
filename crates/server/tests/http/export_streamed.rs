//! Exports that take their time: what they hold meanwhile, whom they keep out, and how they end when
//! they do not come to their end.

use std::net::TcpStream;
use std::time::Duration;

use portolan_server::Limits;

use crate::app::{ALL, App, Token};
use crate::client::Connection;
use crate::fleet::{Host, tcp};
use crate::support::{Numbers, eventually};

/// Short, so that a test takes seconds, and long, so that no honest request of a test takes it.
const SOON: Duration = Duration::from_secs(3);

/// Far more than the buffers on the way hold, in bytes.
const BYTES: usize = 30 << 20;

fn with_large_fleet(tokens: &[&Token], agent: &Token, limits: Limits) -> App {
    let app = App::with_limits(tokens, limits);
    let mut numbers = Numbers(7);
    let mut path = || -> String {
        let letter = |_| char::from(b'a' + u8::try_from(numbers.below(26)).unwrap());
        (0..4_000).map(letter).collect()
    };
    for host_id in ["a", "b", "c"] {
        let ports = (1..=2_500).map(|port| tcp("::", port).program(1, &path()));
        app.report(agent, &[&Host::new(host_id, "0", ports.collect())]);
    }
    app.clock.advance_s(1);
    app
}

/// Asks for everything and reads nothing.
fn ask(app: &App, token: &Token) -> Connection {
    let mut connection = app.connect();
    let head = format!(
        "GET /portolan/v1/projects/p1/export?rows=open_ports HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Auth-Token: {}\r\n\r\n",
        token.secret
    );
    connection.write(head.as_bytes());
    connection
}

fn running(app: &App) -> u64 {
    app.metric("portolan_exports")
}

fn made(app: &App) -> u64 {
    app.metric("portolan_export_bytes_total")
}

fn reached(app: &App, limit: &str) -> u64 {
    app.metric(&format!(
        "portolan_limits_reached_total{{limit=\"{limit}\"}}"
    ))
}

/// Invariant 7.
#[test]
fn an_export_that_nobody_takes_is_not_made_and_ends() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let limits = Limits {
        answer_stall: SOON,
        ..Limits::default()
    };
    let app = with_large_fleet(&[&reader, &agent], &agent, limits);
    let deaf = ask(&app, &reader);
    assert_eq!(deaf.first_bytes::<12>(), *b"HTTP/1.1 200");
    eventually("it is cut", || reached(&app, "answer_stall") == 1);
    eventually("it runs no more", || running(&app) == 0);
    let made_for_it = made(&app);
    assert!(made_for_it < BYTES as u64 / 2, "{made_for_it}");
    let whole = ask(&app, &reader).wait_for_end();
    assert!(whole.len() > BYTES && whole.ends_with(b"\r\n0\r\n\r\n"));
    assert!(made(&app) - made_for_it > BYTES as u64);
    drop(deaf);
}

/// Invariant 7: one who is slow takes no place from others, and no turn of those who look through hosts.
#[test]
fn a_credential_has_its_part_of_the_places_and_others_theirs() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let other = Token::reader("p1", &["0"]);
    let app = with_large_fleet(&[&reader, &other, &agent], &agent, Limits::default());
    let mut slow: Vec<Connection> = (0..4).map(|_| ask(&app, &reader)).collect();
    eventually("they run", || running(&app) == 4);
    let refused = app.native(&reader, "/export?rows=open_ports");
    let (status, code, said) = refused.error();
    assert_eq!((status, code.as_str()), (429, "PORTOLAN.0005"));
    assert_eq!(
        said,
        "Too many reports are waiting. 4 exports of this credential run"
    );
    assert_eq!(reached(&app, "exports_of_a_credential"), 1);
    let looked = app.native(&other, "/export?rows=open_ports&host_id=a&port=7");
    assert_eq!(looked.body.iter().filter(|byte| **byte == b'\n').count(), 1);
    let by_name = app.get(&other, "/v5/p1/asset/ports?host_name=name-of-a");
    assert_eq!(by_name.ok()["total_num"], 2_500);
    drop(slow.pop());
    eventually("one has gone", || running(&app) == 3);
    assert_eq!(
        app.native(&reader, "/export?rows=open_ports&port=7").status,
        200
    );
}

/// A part of an export must not be taken for the whole.
#[test]
fn an_export_that_a_server_cuts_does_not_end_as_a_whole_one_does() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let mut app = with_large_fleet(&[&reader, &agent], &agent, Limits::default());
    let half = ask(&app, &reader);
    assert_eq!(half.first_bytes::<12>(), *b"HTTP/1.1 200");
    let address = app.address();
    let received = std::thread::scope(|scope| {
        scope.spawn(|| app.stop());
        eventually("it stops", || TcpStream::connect(address).is_err());
        half.wait_for_end()
    });
    assert!(received.len() < BYTES, "{}", received.len());
    assert!(!received.ends_with(b"\r\n0\r\n\r\n"));
}
