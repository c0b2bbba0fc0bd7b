//! Many readers of the stream that are cut and resumed at random, while reports come in: each ends
//! with exactly the list of changes.

use std::net::SocketAddr;
use std::thread;

use serde_json::Value;

use crate::app::{ALL, App, Token};
use crate::changes::all;
use crate::fleet::{Host, tcp};
use crate::sse::Sse;
use crate::support::Numbers;

const READERS: u64 = 1_000;
const ROUNDS: u64 = 15;
/// The host whose baseline is the last change.
const LAST: &str = "last";

/// Reads to the last change, over connections that it drops at random.
fn read(server: SocketAddr, token: &Token, query: &str, seed: u64) -> Vec<Value> {
    let mut numbers = Numbers(seed);
    let (mut changes, mut last_id) = (Vec::<Value>::new(), String::new());
    loop {
        let mut stream = Sse::open(server, token, query, &last_id);
        for _ in 0..=numbers.below(40) {
            let block = stream.block().unwrap();
            match block.name.as_str() {
                "" => {}
                "change" => changes.push(block.json()),
                // It was slow, on a machine that is: it goes on from there.
                "cut" => break,
                other => panic!("{other}"),
            }
            if changes
                .last()
                .is_some_and(|change| change["host_id"] == LAST)
            {
                return changes;
            }
        }
        last_id.clone_from(&stream.last_id);
    }
}

#[test]
fn readers_that_are_cut_and_resumed_at_random_each_end_with_the_list_of_changes() {
    let agent = Token::agent("p1", ALL);
    let readers = [Token::reader("p1", ALL), Token::reader("p1", &["a", "0"])];
    let app = App::start(&[&agent, &readers[0], &readers[1]]);
    let queries = [
        "since=2026-11-24T02:13:00Z",
        "since=2026-11-24T02:13:00Z&kind=opened,baseline,moved",
    ];
    let reading: Vec<_> = (0..READERS)
        .map(|reader| {
            let token = readers[(reader % 2) as usize].clone();
            let query = queries[(reader / 2 % 2) as usize];
            let server = app.address();
            let work = move || read(server, &token, query, reader + 1);
            (reader, thread::spawn(work))
        })
        .collect();
    let mut numbers = Numbers(99);
    let mut hosts: Vec<Host> = (0..20)
        .map(|host| Host::new(&format!("h{host}"), "0", vec![]))
        .collect();
    for _ in 0..ROUNDS {
        let mut sent = Vec::new();
        for host in &mut hosts {
            if numbers.below(3) == 0 {
                let ports = (1..12).filter(|_| numbers.below(2) == 0);
                let ports: Vec<_> = ports.map(|port| tcp("0.0.0.0", port)).collect();
                let ep = ["0", "a", "b"][numbers.below(3) as usize];
                *host = host.next(ports).in_enterprise_project(ep);
                sent.push(&*host);
            }
        }
        if !sent.is_empty() {
            app.report(&agent, &sent);
        }
    }
    app.report(&agent, &[&Host::new(LAST, "0", vec![])]);
    let told: Vec<_> = reading
        .into_iter()
        .map(|(reader, reading)| (reader, reading.join().unwrap()))
        .collect();
    let pages = queries.map(|query| readers.each_ref().map(|token| all(&app, token, query, 200)));
    for (reader, told) in told {
        let (token, query) = ((reader % 2) as usize, (reader / 2 % 2) as usize);
        let pages = &pages[query][token];
        assert!(pages.len() > 100, "{} changes", pages.len());
        let ids = |changes: &[Value]| -> Vec<String> {
            changes.iter().map(|it| it["id"].to_string()).collect()
        };
        assert_eq!(ids(&told), ids(pages), "reader {reader}");
        assert_eq!(&told, pages, "reader {reader}");
    }
}
