//! The recount in the background: it finds a census that is not what the store holds, and nothing else.

use portolan_server::credentials::read_file;
use portolan_store::Clock as _;
use portolan_wire::ids::HostKey;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::app::{ALL, App, Token, metric};
use crate::client::{Connection, Request};
use crate::fleet::{Host, fleet, tcp};
use crate::gated::start;
use crate::support::eventually;

const HOSTS: &str = "portolan_recount_hosts_total";
const DIFFERENCES: &str = "portolan_recount_differences_total";
const FINISHED: &str = "portolan_recount_round_finished_seconds";

/// Hosts of two projects are gone round again and again while reports change them.
#[test]
fn rounds_go_on_beside_reports_and_find_no_difference() {
    let agents = ["p1", "p2"].map(|project| Token::agent(project, ALL));
    let app = App::start(&[&agents[0], &agents[1]]);
    let mut hosts = fleet();
    let all = hosts.len() as u64 * 2;
    let mut asking = app.connect();
    eventually("three rounds went over all hosts", || {
        for agent in &agents {
            app.report(agent, &hosts.iter().collect::<Vec<_>>());
        }
        for host in &mut hosts {
            let other = tcp("0.0.0.0", 1 + u16::try_from(host.sequence % 3).unwrap());
            *host = host.next(vec![other]);
        }
        metric(&mut asking, HOSTS) >= 3 * all
    });
    app.clock.advance_s(1);
    let now = app.clock.now_s();
    eventually("a round ends at the clock's moment", || {
        metric(&mut asking, FINISHED) == u64::from(now)
    });
    assert_eq!(metric(&mut asking, DIFFERENCES), 0);
}

/// Invariant 4: a count that is not what the stored set says is found without anybody asking.
#[test]
fn a_host_whose_stored_set_is_another_one_is_counted_as_a_difference() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.toml");
    std::fs::write(&file, Token::file(&[&reader, &agent])).unwrap();
    let runtime = Runtime::new().unwrap();
    let data = folder.path().join("data");
    let starting = start(&runtime, &data, read_file(&file).unwrap());
    starting.load.open();
    starting.commit.open();
    let running = runtime.block_on(starting.serving).unwrap().unwrap();
    let mut asking = Connection::open(starting.address);
    let hosts = ["h1", "h2"].map(|id| Host::new(id, "0", vec![tcp("::", 22)]).report());
    let body = serde_json::to_vec(&json!({ "reports": hosts })).unwrap();
    let report = Request::post("/portolan/v1/projects/p1/reports", body).token(&agent);
    assert_eq!(asking.send(&report).status, 200);
    eventually("all hosts were compared", || {
        metric(&mut asking, HOSTS) >= 2 && metric(&mut asking, FINISHED) > 0
    });
    assert_eq!(metric(&mut asking, DIFFERENCES), 0);
    *starting.altered.lock().unwrap() = Some(HostKey {
        project: "p1".into(),
        host: "h2".into(),
    });
    eventually("the difference is found", || {
        metric(&mut asking, DIFFERENCES) > 0
    });
    let recount = Request::get("/portolan/v1/projects/p1/recount").token(&reader);
    let recount = asking.send(&recount).ok();
    let expected = json!([{"what": "host", "host_id": "h2"}]);
    assert_eq!(
        (&recount["equal"], &recount["differences"]),
        (&json!(false), &expected)
    );
    starting.altered.lock().unwrap().take();
    drop(asking);
    runtime.block_on(running.stop()).unwrap();
}
