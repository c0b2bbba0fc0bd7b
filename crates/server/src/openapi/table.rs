//! Every call. A route that is missing here fails a test.

use portolan_wire::changes::{AFTER, ChangesQuery};
use portolan_wire::credential::{
    AccessKeyRequest, CredentialRequest, EnrolKeyRequest, UserRequest,
};
use portolan_wire::enrolment::{EnrolRequest, HostToken};
use portolan_wire::heartbeat::{HeartbeatsAnswer, HeartbeatsRequest};
use portolan_wire::hss::batch_modify_port_status;
use portolan_wire::hss::common_port_info::{CommonPort, CommonPortQuery};
use portolan_wire::hss::host_ports::{HostPorts, HostPortsQuery};
use portolan_wire::hss::hosts::{Hosts, HostsQuery};
use portolan_wire::hss::overview::{
    AssetStatistics, AssetStatisticsQuery, TOP_PORTS_PARAMETERS, TopPorts,
};
use portolan_wire::hss::parameters::{CATEGORY, ENTERPRISE_PROJECT_ID, PORT, SORT_DIR, TYPE};
use portolan_wire::hss::port_hosts::{PortHosts, PortHostsQuery};
use portolan_wire::hss::port_statistics::{PortStatistics, PortStatisticsQuery};
use portolan_wire::query::Parameter;
use portolan_wire::report::{ReportsAnswer, ReportsRequest};

use super::bodies::{Nothing, PortStatusRequest};
use super::call::{Access, Call};
use super::keystone;
use crate::administration::{List, Made, MadeAccessKey};
use crate::changes::ChangeList;
use crate::enrolment::EnrolmentList;
use crate::native::freshness::{OF_HOSTS, ONLY_FRESH};
use crate::native::paging::{CURSOR, LIMIT};
use crate::native::{
    AssetList, CONTENT_TYPES, Credential, EXPOSURE, Exposures, FORMAT, FROM, HostList, HostPage,
    NOT_TAKEN, ROWS, Recounted, STATUS_FIELD, Statistics, StatisticsDiff, TO, TRANSPORT,
};
use crate::past::AS_OF;
use crate::routes::Health;

/// The calls, in the order in which they are described.
pub(super) fn calls() -> Vec<Call> {
    let groups = [
        ("HSS v5", hss()),
        ("Agents", agents()),
        ("Native", native()),
        ("Administration", administration()),
        ("Keystone v3", keystone::calls()),
        ("Operations", operations()),
    ];
    let tagged = |(tag, calls): (&'static str, Vec<Call>)| {
        calls.into_iter().map(move |call| Call { tag, ..call })
    };
    groups.into_iter().flat_map(tagged).collect()
}

fn copied(parameters: &[Parameter]) -> impl Iterator<Item = Parameter> + '_ {
    parameters.iter().copied()
}

fn hss() -> Vec<Call> {
    vec![
        Call::get(
            "/v5/{project_id}/asset/port/statistics",
            "ListPortStatistics",
            "On how many assets each port is open",
        )
        .query(copied(PortStatisticsQuery::PARAMETERS))
        .answers::<PortStatistics>()
        .counted(),
        Call::get(
            "/v5/{project_id}/asset/ports",
            "ListPorts",
            "The open ports of a host, or of all",
        )
        .query(copied(HostPortsQuery::PARAMETERS))
        .answers::<HostPorts>()
        .counted(),
        Call::get(
            "/v5/{project_id}/asset/ports/detail",
            "ListPortHost",
            "Who listens on a port",
        )
        .query(copied(PortHostsQuery::PARAMETERS))
        .required(&["port"])
        .answers::<PortHosts>()
        .counted(),
        Call::post(
            "/v5/{project_id}/asset/batch-modify-port-status",
            "BatchModifyPortStatus",
            "Ignores ports of assets, or ignores them no longer",
        )
        .of(Access::Admin)
        .query(copied(batch_modify_port_status::PARAMETERS))
        .sends::<PortStatusRequest>()
        .answers::<Nothing>(),
        Call::get(
            "/v5/{project_id}/asset/overview/statistics/top/port",
            "ShowPortTop",
            "The five ports that are open on the most hosts",
        )
        .query(copied(TOP_PORTS_PARAMETERS))
        .answers::<TopPorts>()
        .counted(),
        Call::get(
            "/v5/{project_id}/asset/common-port-info",
            "ShowCommonPort",
            "What is known of a port",
        )
        .query(copied(CommonPortQuery::PARAMETERS))
        .required(&["port"])
        .answers::<CommonPort>(),
        Call::get(
            "/v5/{project_id}/asset/statistics",
            "ShowAssetStatistic",
            "How many open ports there are",
        )
        .query(copied(AssetStatisticsQuery::PARAMETERS))
        .answers::<AssetStatistics>()
        .counted(),
        Call::get(
            "/v5/{project_id}/host-management/hosts",
            "ListHostStatus",
            "The hosts",
        )
        .query(HostsQuery::parameters())
        .answers::<Hosts>()
        .counted(),
    ]
}

fn agents() -> Vec<Call> {
    vec![
        Call::post(
            "/portolan/v1/projects/{project_id}/reports",
            "SendReports",
            "The complete sets of open ports of some hosts",
        )
        .of(Access::Agent)
        .sends::<ReportsRequest>()
        .answers::<ReportsAnswer>(),
        Call::post(
            "/portolan/v1/projects/{project_id}/heartbeats",
            "SendHeartbeats",
            "That nothing has changed since the last report",
        )
        .of(Access::Agent)
        .sends::<HeartbeatsRequest>()
        .answers::<HeartbeatsAnswer>(),
        Call::post(
            "/portolan/v1/projects/{project_id}/enrol",
            "EnrolHost",
            "Gives a host a token that speaks for it and no other",
        )
        .of(Access::Enrol)
        .sends::<EnrolRequest>()
        .answers::<HostToken>()
        .created(),
        Call::post(
            "/portolan/v1/projects/{project_id}/enrol/rotate",
            "RotateHostToken",
            "Gives an enrolled host another token; its own ends when that one is used",
        )
        .of(Access::Agent)
        .answers::<HostToken>()
        .created(),
    ]
}

fn native() -> Vec<Call> {
    vec![
        Call::get(
            "/portolan/v1/projects/{project_id}/statistics",
            "ListStatistics",
            "On how many assets each port is open, with how current that is",
        )
        .query(copied(PortStatisticsQuery::PARAMETERS).chain([
            CURSOR,
            STATUS_FIELD,
            EXPOSURE,
            ONLY_FRESH,
            AS_OF,
        ]))
        .answers::<Statistics>(),
        Call::get(
            "/portolan/v1/projects/{project_id}/statistics/diff",
            "DiffStatistics",
            "The rows that count another number of assets at a later moment",
        )
        .query(
            copied(PortStatisticsQuery::PARAMETERS)
                .filter(|parameter| !NOT_TAKEN.contains(&parameter.name))
                .chain([FROM, TO, EXPOSURE, CURSOR]),
        )
        .required(&["from"])
        .answers::<StatisticsDiff>(),
        Call::get(
            "/portolan/v1/projects/{project_id}/exposures",
            "ListExposures",
            "How much there is of each exposure",
        )
        .query([PORT, TRANSPORT, ENTERPRISE_PROJECT_ID, CATEGORY, ONLY_FRESH])
        .answers::<Exposures>(),
        Call::get(
            "/portolan/v1/projects/{project_id}/hosts",
            "ListHosts",
            "The hosts",
        )
        .query([ENTERPRISE_PROJECT_ID, LIMIT, CURSOR, OF_HOSTS])
        .answers::<HostList>(),
        Call::get(
            "/portolan/v1/projects/{project_id}/hosts/{host_id}",
            "ShowHost",
            "A host, what its agent could not see, and its open ports",
        )
        .query([AS_OF])
        .answers::<HostPage>(),
        Call::get(
            "/portolan/v1/projects/{project_id}/ports/{port}/assets",
            "ListPortAssets",
            "The hosts that have a port open",
        )
        .query([
            TYPE,
            ENTERPRISE_PROJECT_ID,
            LIMIT,
            CATEGORY,
            CURSOR,
            EXPOSURE,
            ONLY_FRESH,
        ])
        .answers::<AssetList>(),
        Call::get(
            "/portolan/v1/projects/{project_id}/export",
            "Export",
            "All open ports of a moment, or all changes of a time, a line each",
        )
        .query(
            [ROWS, FORMAT, AS_OF]
                .into_iter()
                .chain(copied(ChangesQuery::PARAMETERS)),
        )
        .required(&["rows"])
        .answers_bytes(CONTENT_TYPES)
        .dated(),
        Call::get(
            "/portolan/v1/projects/{project_id}/recount",
            "Recount",
            "Every count, counted again from the stored sets",
        )
        .answers::<Recounted>(),
        Call::get(
            "/portolan/v1/projects/{project_id}/changes",
            "ListChanges",
            "What happened to open ports and hosts",
        )
        .query(copied(ChangesQuery::PARAMETERS).chain([SORT_DIR, LIMIT, CURSOR]))
        .answers::<ChangeList>(),
        Call::get(
            "/portolan/v1/projects/{project_id}/changes/stream",
            "FollowChanges",
            "The same as it happens, as server-sent events; without until it does not end",
        )
        .query(copied(ChangesQuery::PARAMETERS).chain([AFTER]))
        .answers_bytes(&["text/event-stream"]),
        Call::get(
            "/portolan/v1/credential",
            "ShowOwnCredential",
            "What the credential of the request is for",
        )
        .of(Access::Any)
        .answers::<Credential>(),
    ]
}

fn administration() -> Vec<Call> {
    let kinds = [
        (
            "/portolan/v1/projects/{project_id}/tokens",
            "/portolan/v1/projects/{project_id}/tokens/{id}",
            ["ListTokens", "CreateToken", "RevokeToken"],
            [
                "The tokens",
                "Makes a token; its secret is told once",
                "Revokes a token",
            ],
        ),
        (
            "/portolan/v1/projects/{project_id}/access-keys",
            "/portolan/v1/projects/{project_id}/access-keys/{id}",
            ["ListAccessKeys", "CreateAccessKey", "RevokeAccessKey"],
            [
                "The access keys",
                "Makes an access key; its secret is told once",
                "Revokes an access key",
            ],
        ),
        (
            "/portolan/v1/projects/{project_id}/users",
            "/portolan/v1/projects/{project_id}/users/{id}",
            ["ListUsers", "CreateUser", "RevokeUser"],
            ["The users", "Makes a user", "Revokes a user"],
        ),
        (
            "/portolan/v1/projects/{project_id}/enrol-keys",
            "/portolan/v1/projects/{project_id}/enrol-keys/{id}",
            ["ListEnrolKeys", "CreateEnrolKey", "RevokeEnrolKey"],
            [
                "The enrol keys",
                "Makes an enrol key; its secret is told once",
                "Revokes an enrol key; the hosts that it enrolled go on",
            ],
        ),
    ];
    let of_kind = |(list, one, ids, summaries): (_, _, [_; 3], [_; 3])| {
        let [list_id, create_id, revoke_id] = ids;
        let [list_text, create_text, revoke_text] = summaries;
        let create = Call::post(list, create_id, create_text).created();
        let create = match create_id {
            "CreateUser" => create.sends_strictly::<UserRequest>().answers::<Made>(),
            "CreateEnrolKey" => create.sends_strictly::<EnrolKeyRequest>().answers::<Made>(),
            "CreateAccessKey" => create
                .sends_strictly::<AccessKeyRequest>()
                .answers::<MadeAccessKey>(),
            _ => create
                .sends_strictly::<CredentialRequest>()
                .answers::<Made>(),
        };
        [
            Call::get(list, list_id, list_text)
                .query([LIMIT, CURSOR])
                .answers::<List>(),
            create,
            Call::delete(one, revoke_id, revoke_text),
        ]
    };
    let remove = Call::delete(
        "/portolan/v1/projects/{project_id}/hosts/{host_id}",
        "RemoveHost",
        "Removes a host: its ports leave the counts",
    );
    let enrolments = Call::get(
        "/portolan/v1/projects/{project_id}/enrolments",
        "ListEnrolments",
        "The enrolled hosts",
    )
    .query([LIMIT, CURSOR])
    .answers::<EnrolmentList>();
    let release = Call::delete(
        "/portolan/v1/projects/{project_id}/enrolments/{host_id}",
        "ReleaseHost",
        "Ends the tokens of an enrolled host; its id may be enrolled again",
    );
    let backup = Call::get(
        "/portolan/v1/backup",
        "Backup",
        "A copy of everything, as it is at one moment",
    )
    .answers_bytes(&["application/octet-stream"]);
    let others = [enrolments, release, remove, backup];
    let calls = kinds.into_iter().flat_map(of_kind).chain(others);
    calls.map(|call| call.of(Access::Admin)).collect()
}

fn operations() -> Vec<Call> {
    let calls = vec![
        Call::get("/healthz", "Healthz", "The process runs").answers::<Health>(),
        Call::get("/readyz", "Readyz", "The census has caught up").answers::<Health>(),
        Call::get("/metrics", "Metrics", "Counters, for Prometheus").answers_bytes(&["text/plain"]),
        Call::get("/openapi.json", "OpenApi", "This document").answers_bytes(&["application/json"]),
        Call::get("/docs", "Docs", "This document as a page").answers_bytes(&["text/html"]),
        Call::get("/docs/style.css", "DocsStyle", "How that page looks")
            .answers_bytes(&["text/css"]),
    ];
    calls
        .into_iter()
        .map(|call| call.of(Access::Open))
        .collect()
}
