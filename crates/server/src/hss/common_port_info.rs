//! `GET /v5/{project_id}/asset/common-port-info`: what the port table says of a port.

use axum::extract::{Path, RawQuery};
use axum::response::Response;
use portolan_census::knowledge::{self, KnownPort};
use portolan_wire::hss::common_port_info::{CommonPort, CommonPortQuery};
use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::open_port::Transport;

use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{decoded, json, selected};

pub(crate) async fn common_port_info(
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::CommonPortInfo)?;
    let query = decoded(raw_query.as_deref())?;
    selected(&query, &caller)?;
    json(&info(CommonPortQuery::read(&query)?))
}

/// Of a port that is known as both, TCP is told: most services are, and a client names UDP.
fn info(asked: CommonPortQuery) -> CommonPort {
    let transports = match asked.kind {
        Some(kind) => vec![kind.transport],
        None => vec![Transport::Tcp, Transport::Udp],
    };
    let mut known = transports.into_iter();
    let known = known.find_map(|transport| knowledge::known(asked.port, transport));
    let transport = known.map_or(Transport::Tcp, |known| known.transport);
    let kind = asked.kind.map_or(transport.as_str(), |kind| kind.as_str());
    let (description, description_en) = match known {
        Some(KnownPort {
            description,
            description_zh,
            ..
        }) => ((*description_zh).to_owned(), (*description).to_owned()),
        None => unknown(asked.port, kind),
    };
    CommonPort {
        port: asked.port,
        kind,
        status: known.map_or(PortStatus::Unknown, |known| known.status),
        description,
        description_en,
    }
}

/// Chinese and English for a port without a row.
fn unknown(port: u16, kind: &str) -> (String, String) {
    (
        format!("没有已知服务默认使用 {kind} 端口 {port}。"),
        format!("No service is known to use {kind} port {port} by default."),
    )
}
