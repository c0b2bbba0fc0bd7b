//! Agents as processes: a host that moves, and two agents on one machine.

use std::net::TcpListener;
use std::path::Path;

use crate::harness::{
    PROJECT, READER, Server, Speaker, agent, agent_with, credentials, eventually, first_num, run,
    token,
};

/// An open port of this machine.
pub(super) struct Listener {
    pub(super) port: u16,
    _socket: TcpListener,
}

impl Listener {
    pub(super) fn open() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            port: socket.local_addr().unwrap().port(),
            _socket: socket,
        }
    }
}

/// What the clock that agents take their generation from says.
fn clock_s() -> u64 {
    let said = String::from_utf8(run("date", &["+%s"]).stdout).unwrap();
    said.trim().parse().unwrap()
}

/// On how many hosts of an enterprise project a port is open.
fn num_in(server: &Server, enterprise_project: &str, port: u16) -> u64 {
    let target = format!(
        "/v5/{PROJECT}/asset/port/statistics?port={port}&type=TCP&category=host&enterprise_project_id={enterprise_project}"
    );
    first_num(&server.get(&target))
}

#[test]
fn a_host_that_moves_to_another_enterprise_project_is_counted_there_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let listener = Listener::open();
    let nums = || ["0", "blue", "all_granted_eps"].map(|id| num_in(&server, id, listener.port));
    let agent = agent_with(&server, folder.path(), "h", &[]);
    eventually("it is counted in the default one", || nums() == [1, 0, 1]);
    drop(agent);
    let agent = agent_with(
        &server,
        folder.path(),
        "h",
        &["--enterprise-project", "blue"],
    );
    eventually("it has moved", || nums() != [1, 0, 1]);
    assert_eq!(nums(), [0, 1, 1], "in one of them, not in both");
    assert_eq!(server.native("/hosts/h")["enterprise_project_id"], "blue");
    server.assert_recount();
    drop(agent);
    let _agent = agent_with(&server, folder.path(), "h", &[]);
    eventually("and back", || nums() == [1, 0, 1]);
    server.assert_recount();
    server.stop();
}

/// A server that knows more tokens.
fn start_with_tokens(folder: &Path, more: &[String]) -> Server {
    let file = credentials(folder);
    let text = std::fs::read_to_string(&file).unwrap() + &more.concat();
    std::fs::write(&file, text).unwrap();
    Server::start(folder)
}

#[test]
fn a_host_is_not_moved_by_a_credential_that_lacks_where_it_is() {
    const BLUE: &str = "blue-agent-token-blue-agent-token";
    let folder = tempfile::tempdir().unwrap();
    let blue = token(BLUE, PROJECT, "agent").replace("all_granted_eps", "blue");
    let server = start_with_tokens(folder.path(), &[blue]);
    let listener = Listener::open();
    let first = agent(&server, folder.path(), "h");
    eventually("it is counted", || num_in(&server, "0", listener.port) == 1);
    drop(first);
    let more = ["--enterprise-project", "blue"];
    let _agent = Speaker::of(PROJECT, BLUE).start(&server.url, folder.path(), "h", &more);
    let refused = "portolan_reports_total{result=\"not_granted\"}";
    eventually("it is refused", || server.metric(refused) > 0);
    assert_eq!(num_in(&server, "0", listener.port), 1);
    assert_eq!(num_in(&server, "blue", listener.port), 0);
    server.assert_recount();
    server.stop();
}

/// Silence closes nothing: where it was its ports are counted until an operator removes it.
#[test]
fn a_host_that_moves_to_another_project_is_counted_there_and_leaves_the_first_by_its_removal() {
    const ADMIN: &str = "admin-token-of-p1-admin-token-of-p1";
    const AGENT_2: &str = "agent-token-of-p2-agent-token-of-p2";
    const READER_2: &str = "reader-token-of-p2-reader-token-of";
    let folder = tempfile::tempdir().unwrap();
    let more = [
        token(ADMIN, PROJECT, "admin"),
        token(AGENT_2, "p2", "agent"),
        token(READER_2, "p2", "reader"),
    ];
    let server = start_with_tokens(folder.path(), &more);
    let listener = Listener::open();
    let nums = || {
        [(PROJECT, READER), ("p2", READER_2)].map(|(project, reader)| {
            let port = listener.port;
            let target = format!("/v5/{project}/asset/port/statistics?port={port}&type=TCP");
            first_num(&server.get_as(reader, &target))
        })
    };
    let first = agent(&server, folder.path(), "h");
    eventually("it is counted in the first", || nums() == [1, 0]);
    drop(first);
    let _agent = Speaker::of("p2", AGENT_2).start(&server.url, folder.path(), "h", &[]);
    eventually("it is counted in the second", || nums() == [1, 1]);
    server.remove_host(ADMIN, "h");
    assert_eq!(nums(), [0, 1]);
    assert_eq!(server.native("/recount")["equal"], true);
    let recount = server.get_as(READER_2, "/portolan/v1/projects/p2/recount");
    assert_eq!(recount["equal"], true, "{recount}");
    server.stop();
}

#[test]
fn two_agents_of_one_machine_count_it_once_and_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let listener = Listener::open();
    let num = |port: u16| server.num("host", port, "TCP");
    let _first = agent(&server, folder.path(), "h");
    eventually("it is counted", || num(listener.port) == 1);
    // One state folder has room for one agent.
    let mut same_folder = agent(&server, folder.path(), "h");
    assert_eq!(same_folder.wait().code(), Some(1));
    assert_eq!(num(listener.port), 1);
    assert_eq!(server.native("/hosts/h")["identity_conflict"], false);
    // With a folder of its own, and from a later second on, the second has a newer generation; the
    // first is shown to be there when it has something to tell.
    let other = tempfile::tempdir().unwrap();
    let page = server.native("/hosts/h");
    let (first_agent, first) = (&page["agent_id"], page["generation"].as_u64().unwrap());
    eventually("a later second", || clock_s() > first);
    let _second = agent(&server, other.path(), "h");
    eventually("the second is held", || {
        server.native("/hosts/h")["agent_id"] != *first_agent
    });
    let another = Listener::open();
    eventually("two agents are shown", || {
        server.native("/hosts/h")["identity_conflict"] == true
    });
    eventually("the newest set is counted", || num(another.port) == 1);
    assert_eq!(num(listener.port), 1, "once");
    assert_eq!(server.native("/hosts")["total_num"], 1);
    server.assert_recount();
    server.stop();
}
