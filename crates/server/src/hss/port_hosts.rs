//! `GET /v5/{project_id}/asset/ports/detail`: who listens on one port.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::ListenerFilter;
use portolan_store::Snapshot;
use portolan_wire::hss::port_hosts::{PortHostRow, PortHosts, PortHostsQuery};
use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::open_port::OpenPort;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::listeners::Asked;
use crate::hss::{counted, decoded, encoded, selected};

pub(crate) async fn port_hosts(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::PortHosts)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    let asked = PortHostsQuery::read(&query)?;
    let kind = asked.kind;
    let asked = Asked {
        project_id,
        selection,
        filter: ListenerFilter {
            category: asked.category,
            v6: kind.is_some_and(|kind| kind.v6),
            transport: kind.map(|kind| kind.transport),
            port: Some(asked.port),
        },
        host_id: None,
        host_name: asked.host_name,
        host_ip: asked.host_ip,
        status: None,
        range: asked.range,
    };
    let row = move |snapshot: &Snapshot, port: &OpenPort, status: PortStatus| {
        PortHostRow::new(&snapshot.host, port, kind, status)
    };
    let listed = asked.list(&app, row).await?;
    let body = PortHosts {
        total_num: listed.total,
        data_list: listed.rows,
    };
    counted(encoded(&body)?, listed.as_of, listed.hosts)
}
