//! What a caller asks of every route, in ways that reach for what there is of others. No request
//! changes anything: what may be done is not asked for, but what may not, and what cannot.

use serde_json::{Value, json};

use super::world::{Holder, Way, enrolled_host, groups};
use crate::app::{ALL, Token};
use crate::client::Request;
use crate::fleet::{Host, digest, tcp};
use crate::isolation::{Group, sees};

/// A request, and the operation of the document that it is.
pub(super) struct Ask {
    pub(super) operation: &'static str,
    pub(super) request: Request,
}

/// What of others a caller knows to ask for.
pub(super) struct Known {
    /// Kind, project and id of credentials.
    pub(super) credentials: Vec<(&'static str, String, String)>,
    /// Tokens, and tokens of log-ins.
    pub(super) tokens: Vec<String>,
}

const KINDS: [(&str, &str, &str); 4] = [
    (
        "GET /portolan/v1/projects/{project_id}/tokens",
        "POST /portolan/v1/projects/{project_id}/tokens",
        "DELETE /portolan/v1/projects/{project_id}/tokens/{id}",
    ),
    (
        "GET /portolan/v1/projects/{project_id}/access-keys",
        "POST /portolan/v1/projects/{project_id}/access-keys",
        "DELETE /portolan/v1/projects/{project_id}/access-keys/{id}",
    ),
    (
        "GET /portolan/v1/projects/{project_id}/users",
        "POST /portolan/v1/projects/{project_id}/users",
        "DELETE /portolan/v1/projects/{project_id}/users/{id}",
    ),
    (
        "GET /portolan/v1/projects/{project_id}/enrol-keys",
        "POST /portolan/v1/projects/{project_id}/enrol-keys",
        "DELETE /portolan/v1/projects/{project_id}/enrol-keys/{id}",
    ),
];
pub(super) const KIND_NAMES: [&str; 4] = ["tokens", "access-keys", "users", "enrol-keys"];

/// Reads of a project, by their queries.
const READS: &[(&str, &[&str])] = &[
    (
        "GET /v5/{project_id}/asset/port/statistics",
        &[
            "",
            "limit=200&type=UDP6",
            "port_string=2&sort_dir=desc",
            "status=danger&limit=200",
            "status=normal&limit=200",
            "category=container&offset=1",
        ],
    ),
    (
        "GET /v5/{project_id}/asset/statistics",
        &["", "category=container", "host_id=shared"],
    ),
    (
        "GET /v5/{project_id}/asset/common-port-info",
        &["port=22", "port=6379&type=TCP"],
    ),
    (
        "GET /v5/{project_id}/asset/overview/statistics/top/port",
        &[""],
    ),
    (
        "GET /v5/{project_id}/asset/ports",
        &[
            "limit=200",
            "offset=3",
            "category=container&status=unknown",
            "status=normal",
            "host_ip=10.0.3.17",
            "host_id=shared",
            "port=443&category=container",
        ],
    ),
    (
        "GET /v5/{project_id}/asset/ports/detail",
        &[
            "port=22",
            "port=443&category=container",
            "port=22&host_ip=10.0.3.17",
            "port=22&offset=2",
        ],
    ),
    (
        "GET /v5/{project_id}/host-management/hosts",
        &[
            "",
            "offset=1&limit=10",
            "private_ip=10.0.3.17",
            "agent_status=online",
            "host_id_list=shared",
            "sort_key=risk_num&sort_dir=desc",
            "has_vul=false",
        ],
    ),
    (
        "GET /portolan/v1/projects/{project_id}/statistics",
        &[
            "",
            "status=normal&status_field=true",
            "exposure=any&limit=200",
            "exposure=private&category=container&status=normal",
        ],
    ),
    (
        "GET /portolan/v1/projects/{project_id}/statistics/diff",
        &[
            "from=2026-11-24T02:13:00Z",
            "from=2026-11-24T02:13:00Z&category=container&limit=200",
        ],
    ),
    (
        "GET /portolan/v1/projects/{project_id}/exposures",
        &["", "category=container", "type=TCP", "port=443"],
    ),
    (
        "GET /portolan/v1/projects/{project_id}/hosts",
        &["", "limit=1"],
    ),
    (
        "GET /portolan/v1/projects/{project_id}/export",
        &[
            "rows=open_ports",
            "rows=open_ports&format=csv&category=container",
            "rows=open_ports&host_id=shared",
            "rows=changes",
            "rows=changes&format=csv&damped=true",
        ],
    ),
    (
        "GET /portolan/v1/projects/{project_id}/changes",
        &[
            "",
            "limit=1",
            "sort_dir=desc&limit=2",
            "kind=baseline",
            "since=2026-11-24T02:13:00Z&host_id=shared",
        ],
    ),
    (
        "GET /portolan/v1/projects/{project_id}/changes/stream",
        // One with an end.
        &["since=2026-11-24T02:13:00Z&until=2026-11-24T02:13:04.999999Z"],
    ),
];

/// The same, of what is named by others' words.
fn named_reads(group: &Group) -> Vec<(&'static str, String)> {
    let host = &group.hosts[0];
    let (id, port) = (&host.id, host.ports[1].port);
    let name = format!("name-of-{id}");
    let all = "enterprise_project_id=all_granted_eps";
    vec![
        (
            "GET /v5/{project_id}/asset/port/statistics",
            format!("?{all}&port={port}"),
        ),
        (
            "GET /v5/{project_id}/asset/statistics",
            format!("?{all}&host_id={id}"),
        ),
        (
            "GET /v5/{project_id}/asset/ports",
            format!("?{all}&host_id={id}"),
        ),
        (
            "GET /v5/{project_id}/asset/ports",
            format!("?{all}&host_name={name}"),
        ),
        (
            "GET /v5/{project_id}/asset/ports/detail",
            format!("?{all}&port={port}"),
        ),
        (
            "GET /v5/{project_id}/asset/ports/detail",
            format!("?{all}&port=22&host_name={name}"),
        ),
        (
            "GET /v5/{project_id}/host-management/hosts",
            format!("?{all}&host_id={id}"),
        ),
        (
            "GET /v5/{project_id}/host-management/hosts",
            format!("?{all}&host_name={name}"),
        ),
        (
            "GET /v5/{project_id}/host-management/hosts",
            format!("?{all}&host_name_list={name}"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/statistics",
            format!("?{all}&cursor={port}%2FTCP"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/exposures",
            format!("?{all}&port={port}"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/hosts",
            format!("?limit=1&cursor={id}"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/changes",
            format!("?host_id={id}"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/changes/stream",
            format!("?host_id={id}&since=2026-11-24T02:13:00Z&until=2026-11-24T02:13:04.999999Z"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/hosts/{host_id}",
            id.clone(),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/ports/{port}/assets",
            port.to_string(),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/export",
            format!("?rows=open_ports&port={port}"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/export",
            format!("?rows=open_ports&host_id={id}"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/export",
            format!("?rows=changes&host_id={id}"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/ports/{port}/assets",
            format!("22?cursor={id}%2FTCP"),
        ),
        (
            "GET /portolan/v1/projects/{project_id}/ports/{port}/assets",
            format!("{port}?exposure=any"),
        ),
    ]
}

fn of_project(operation: &'static str, project: &str, rest: &str) -> Ask {
    let (method, path) = operation.split_once(' ').unwrap();
    let path = path.replace("{project_id}", project);
    let target = match path.split_once('{') {
        Some((before, after)) => {
            let (value, query) = rest
                .split_once('?')
                .map_or((rest, None), |(v, q)| (v, Some(q)));
            let after = after.split_once('}').unwrap().1;
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("{before}{value}{after}{query}")
        }
        None => format!("{path}{rest}"),
    };
    Ask {
        operation,
        request: Request::new(method, target),
    }
}

impl Ask {
    fn with(self, body: &Value) -> Self {
        let request = self.request.body(body.to_string());
        Self { request, ..self }
    }
}

/// Everything that somebody asks. About each credential there is it asks by its token; by the other
/// ways, which lead to the same checks, about some.
pub(super) fn asks(holder: &Holder, way: Way, known: &Known) -> Vec<Ask> {
    let grant = holder.grant(way);
    let every = if way == Way::Token { 1 } else { 7 };
    let mut asks = Vec::new();
    for project in ["p1", "p2"] {
        if holder.reads() && [project, "*"].contains(&&*grant.project) {
            reads(&mut asks, project);
        } else {
            // Whatever is asked for is refused in the same words.
            asks.extend(
                READS
                    .iter()
                    .map(|(operation, _)| of_project(operation, project, "?port=22")),
            );
        }
        let of_it = groups();
        let of_it: Vec<&Group> = of_it
            .iter()
            .filter(|group| group.project == project)
            .collect();
        let named = of_it.iter().flat_map(|group| named_reads(group));
        asks.extend(named.map(|(operation, rest)| of_project(operation, project, &rest)));
        asks.push(of_project(
            "GET /portolan/v1/projects/{project_id}/recount",
            project,
            "",
        ));
        let hidden: Vec<&Group> = of_it
            .into_iter()
            .filter(|group| !sees(&grant, group))
            .collect();
        asks.extend(acts(project, &hidden, grant.role == "admin"));
        credentials(&mut asks, &grant, project, known, every);
    }
    identity(&mut asks, &holder.token, &grant, known, every);
    asks
}

fn reads(asks: &mut Vec<Ask>, project: &str) {
    for (operation, queries) in READS {
        for ep in ["", "all_granted_eps", "red", "blue"] {
            for query in *queries {
                let rest = format!("?enterprise_project_id={ep}&{query}");
                asks.push(of_project(operation, project, &rest));
            }
        }
    }
}

/// Acts on what is hidden, and on what is not there.
fn acts(project: &str, hidden: &[&Group], administers: bool) -> Vec<Ask> {
    let hosts: Vec<&Host> = hidden.iter().flat_map(|group| &group.hosts).collect();
    let nobody = Host::new("nobody", "nothing", vec![tcp("::", 22)]);
    let mut asks = Vec::new();
    let remove = "DELETE /portolan/v1/projects/{project_id}/hosts/{host_id}";
    let all: Vec<&Host> = hosts.into_iter().chain([&nobody]).collect();
    let ignore = "POST /v5/{project_id}/asset/batch-modify-port-status";
    // Who does not administer is refused before anything is looked at.
    let most = if administers { all.len() } else { 1 };
    for host in all.iter().take(most) {
        let container = host
            .ports
            .iter()
            .find_map(|port| port.container_id.as_deref())
            .unwrap_or("none");
        asks.push(of_project(remove, project, &host.id));
        let items = [
            (
                "host",
                json!({"host_id": host.id, "port": 22, "port_type": "TCP"}),
            ),
            (
                "host",
                json!({"agent_id": host.agent_id, "port": 22, "port_type": "TCP"}),
            ),
            (
                "container",
                json!({"host_id": host.id, "container_id": container, "port": 443, "port_type": "TCP"}),
            ),
        ];
        for (category, item) in items {
            for kind in ["ignore", "not_ignore"] {
                let query = format!("?category={category}&enterprise_project_id=all_granted_eps");
                let body = json!({"operate_type": kind, "data_list": [item]});
                asks.push(of_project(ignore, project, &query).with(&body));
            }
        }
    }
    enrolments(&mut asks, project, hidden);
    let beats: Vec<Value> = all
        .iter()
        .map(|host| host.heartbeat(&json!(digest(&host.ports))))
        .collect();
    let beat = "POST /portolan/v1/projects/{project_id}/heartbeats";
    asks.push(of_project(beat, project, "").with(&json!({ "heartbeats": beats })));
    // Of enterprise projects that are not the caller's: that a host id is in use cannot be kept from
    // who claims it for its own.
    let of_hidden = hidden.iter().flat_map(|group| &group.hosts);
    let reports: Vec<Value> = of_hidden.map(|host| host.next(vec![]).report()).collect();
    let report = "POST /portolan/v1/projects/{project_id}/reports";
    asks.push(of_project(report, project, "").with(&json!({ "reports": reports })));
    asks
}

/// Of enrolled hosts: that one is enrolled cannot be kept from who would enrol it, so nobody does.
fn enrolments(asks: &mut Vec<Ask>, project: &str, hidden: &[&Group]) {
    let list = "GET /portolan/v1/projects/{project_id}/enrolments";
    for query in ["?limit=200", "?limit=1", "?limit=1&cursor=enrolled"] {
        asks.push(of_project(list, project, query));
    }
    let release = "DELETE /portolan/v1/projects/{project_id}/enrolments/{host_id}";
    let ids = hidden.iter().map(|group| enrolled_host(group));
    // Of none of them there is a report, so that they are `never`.
    let show = "GET /portolan/v1/projects/{project_id}/hosts/{host_id}";
    for id in ids.chain(["nobody".to_owned()]) {
        asks.push(of_project(show, project, &id));
        asks.push(of_project(release, project, &id));
    }
    let enrol = "POST /portolan/v1/projects/{project_id}/enrol";
    let nobody = json!({"host_id": "no host"});
    asks.push(of_project(enrol, project, "").with(&nobody));
    let rotate = "POST /portolan/v1/projects/{project_id}/enrol/rotate";
    asks.push(of_project(rotate, project, "").with(&json!({})));
}

fn credentials(asks: &mut Vec<Ask>, grant: &Token, project: &str, known: &Known, every: usize) {
    let may_make = |id: &str| {
        grant.enterprise_projects == ALL || grant.enterprise_projects.iter().any(|own| own == id)
    };
    let beyond = ["0", "red", "blue"].into_iter().find(|id| !may_make(id));
    for ((list, create, revoke), kind) in KINDS.into_iter().zip(KIND_NAMES) {
        for query in ["?limit=200", "?limit=1", "?limit=1&cursor=key0admin"] {
            asks.push(of_project(list, project, query));
        }
        // Where everything may be made, what is no wish.
        let wish = beyond.map(|id| {
            let password = "correct horse battery";
            json!({"name": "n", "role": "reader", "enterprise_projects": [id], "password": password})
        });
        asks.push(
            of_project(create, project, "").with(&wish.unwrap_or_else(|| json!({"name": 7}))),
        );
        let of_it = known
            .credentials
            .iter()
            .filter(|(of, theirs, _)| *of == kind && theirs == project);
        // None of them ends: they stand in the credentials file.
        let of_it = of_it.step_by(if grant.role == "admin" { every } else { 7 });
        asks.extend(of_it.map(|(_, _, id)| of_project(revoke, project, id)));
    }
}

/// What is no project's.
fn identity(asks: &mut Vec<Ask>, token: &Token, grant: &Token, known: &Known, every: usize) {
    let mut plain = |operation, rest: &str| asks.push(of_project(operation, "", rest));
    plain("GET /portolan/v1/credential", "");
    let is_root = grant.project == "*" && grant.enterprise_projects == ALL && grant.role == "admin";
    if !is_root {
        plain("GET /portolan/v1/backup", "");
    }
    plain("GET /v3", "");
    plain("GET /v3/auth/domains", "");
    for name in ["", "?name=p1", "?name=p2", "?name=p3"] {
        plain("GET /v3/projects", name);
        plain("GET /v3/auth/projects", name);
    }
    for subject in known.tokens.iter().step_by(every) {
        for operation in ["GET /v3/auth/tokens", "DELETE /v3/auth/tokens"] {
            let Ask { request, .. } = of_project(operation, "", "?nocatalog");
            let request = request.header("X-Subject-Token", subject);
            asks.push(Ask { operation, request });
        }
    }
    // Another project, for a new log-in.
    if token.project != "*" {
        let other = if grant.project == "p1" { "p2" } else { "p1" };
        let identity = json!({"methods": ["token"], "token": {"id": token.secret}});
        let asked = json!({"auth": {"identity": identity, "scope": {"project": {"id": other}}}});
        asks.push(of_project("POST /v3/auth/tokens", "", "").with(&asked));
    }
}

/// What nobody needs a credential for.
pub(super) const OPEN: &[&str] = &[
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/style.css",
];
