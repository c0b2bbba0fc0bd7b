//! `GET …/export`: all open ports of a moment, or all changes of a time, for programs that look
//! through them elsewhere. docs/EXPORT.md tells each field.

mod changes;
mod form;
mod open_ports;
mod stream;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use portolan_wire::changes::{ChangesQuery, DAMPED, KIND, SINCE, UNTIL};
use portolan_wire::error::ErrorCode;
use portolan_wire::query::{Parameter, Query};

use self::changes::Changes;
use self::form::Form;
use self::open_ports::{Asked, OpenPorts};
use crate::app::App;
use crate::changes::{AllChanges, Wanted};
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{dated, decoded};
use crate::native::paging;
use crate::past;

pub(crate) use form::FORMAT;

/// The content types of an export.
pub(crate) const CONTENT_TYPES: &[&str] = Form::CONTENT_TYPES;

/// `rows`.
pub(crate) const ROWS: Parameter = Parameter::one_of("rows", &["open_ports", "changes"]);

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    OpenPort,
    Change,
}

impl Row {
    fn read(query: &Query<'_>) -> Result<Self, ApiError> {
        let asked = ROWS.read(query, |text| match text {
            "open_ports" => Some(Self::OpenPort),
            "changes" => Some(Self::Change),
            _ => None,
        })?;
        Ok(asked.ok_or_else(|| ROWS.fault(""))?)
    }

    /// Refuses what says nothing about such rows: it was meant to leave some out.
    fn check(self, query: &Query<'_>) -> Result<(), ApiError> {
        let (others, rows) = match self {
            Self::OpenPort => (&[SINCE, UNTIL, KIND, DAMPED][..], "changes"),
            Self::Change => (&[past::AS_OF][..], "open_ports"),
        };
        match others
            .iter()
            .find(|other| query.single(other.name) != Ok(None))
        {
            None => Ok(()),
            Some(other) => {
                let detail = format!("{} is for rows={rows} only", other.name);
                Err(ApiError::new(ErrorCode::InvalidParameter, detail))
            }
        }
    }
}

pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Export)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = paging::selection(&query, &caller)?;
    let row = Row::read(&query)?;
    let form = Form::read(&query)?;
    row.check(&query)?;
    let at = past::moment(&app, &query, past::AS_OF)?;
    let asked = ChangesQuery::read(&query)?;
    let now = app.as_of();
    let place = stream::place(&app, caller.id())?;
    let project = project_id.into();
    let mut head = Vec::new();
    let (mut response, as_of) = match row {
        Row::OpenPort => {
            let at = at.unwrap_or(now);
            let asked = Asked {
                project,
                selection,
                query: asked,
                form,
                at,
            };
            form.head(open_ports::COLUMNS, &mut head);
            let rows = OpenPorts::from(asked);
            (stream::answer(&app, place, head, rows).await?, at)
        }
        Row::Change => {
            let wanted = Wanted {
                project,
                selection,
                granted: caller.granted().clone(),
                query: asked,
            };
            form.head(changes::COLUMNS, &mut head);
            let all = AllChanges::until(&app, wanted, now)?;
            let rows = Changes { all, form };
            (stream::answer(&app, place, head, rows).await?, now)
        }
    };
    let content_type = HeaderValue::from_static(form.content_type());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    dated(&mut response, as_of)?;
    Ok(response)
}
