//! `GET …/export`: all open ports of a moment, or all changes of a time, for programs that look
//! through them elsewhere. docs/EXPORT.md tells each field.

mod form;
mod open_ports;
mod stream;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use portolan_wire::query::Parameter;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{dated, decoded};
use crate::native::paging;

use form::Form;
use open_ports::{Asked, Filter, OpenPorts};

pub(crate) use form::FORMAT;
pub(crate) use open_ports::HOST_ID;

/// The content types of an export.
pub(crate) const CONTENT_TYPES: &[&str] = Form::CONTENT_TYPES;

/// `rows`.
pub(crate) const ROWS: Parameter = Parameter::one_of("rows", &["open_ports", "changes"]);

pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Export)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = paging::selection(&query, &caller)?;
    let _rows = ROWS.read_text(&query)?.ok_or_else(|| ROWS.fault(""))?;
    let form = Form::read(&query)?;
    let asked = Asked {
        filter: Filter::read(&query)?,
        project: project_id.into(),
        selection,
        form,
        at: app.as_of(),
    };
    let place = stream::place(&app, caller.id())?;
    let mut head = Vec::new();
    form.head(open_ports::COLUMNS, &mut head);
    let as_of = asked.at;
    let mut response = stream::answer(&app, place, head, OpenPorts::from(asked)).await?;
    let content_type = HeaderValue::from_static(form.content_type());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    dated(&mut response, as_of)?;
    Ok(response)
}
