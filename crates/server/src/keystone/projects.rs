//! `GET /v3/projects?name=`, `GET /v3/auth/projects`, `GET /v3/auth/domains`: what the caller may ask
//! for. Clients of HSS find the id of their project by its name so.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::Response;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use serde_json::{Value, json};

use crate::app::App;
use crate::credentials::{Api, Call, Entry, Grant};
use crate::error::ApiError;
use crate::hss;
use crate::keystone::answer::Holder;
use crate::keystone::links::Links;

pub(crate) async fn projects(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let holder = holder(&app, &call)?;
    let query = hss::decoded(raw_query.as_deref())?;
    let name = query
        .single("name")
        .map_err(|_| ApiError::new(ErrorCode::InvalidParameter, "name must be given once."))?;
    let links = Links::of(&app, &call.headers)?;
    let mut ids = ids(&app, &holder, name);
    let is_cut = ids.len() > caps::PROJECTS_LISTED_MAX;
    ids.truncate(caps::PROJECTS_LISTED_MAX);
    let domain = Holder(&holder).domain().to_owned();
    let shown = |id: &String| {
        json!({
            "id": id,
            "name": id,
            "domain_id": domain,
            "parent_id": domain,
            "description": "",
            "enabled": true,
            "is_domain": false,
            "links": {"self": links.to("/v3/projects")},
        })
    };
    let own = links.to(uri.path());
    let mut body = json!({
        "projects": ids.iter().map(shown).collect::<Vec<Value>>(),
        "links": {"self": own, "next": null, "previous": null},
    });
    if let (true, Some(fields)) = (is_cut, body.as_object_mut()) {
        fields.insert("truncated".to_owned(), json!(true));
    }
    hss::json(&body)
}

pub(crate) async fn domains(State(app): State<Arc<App>>, call: Call) -> Result<Response, ApiError> {
    let holder = holder(&app, &call)?;
    let links = Links::of(&app, &call.headers)?;
    let domain = Holder(&holder).domain().to_owned();
    let own = links.to("/v3/auth/domains");
    hss::json(&json!({
        "domains": [{"id": domain, "name": domain, "description": "", "enabled": true}],
        "links": {"self": own, "next": null, "previous": null},
    }))
}

/// Whose token it is: a log-in may list what its user may, whatever the log-in is for.
fn holder(app: &App, call: &Call) -> Result<Arc<Entry>, ApiError> {
    let entry = call.credential(Api::Identity)?;
    let session = app.credentials.session(entry);
    let parent = session.and_then(|session| app.credentials.parent(&session.parent));
    Ok(parent.unwrap_or_else(|| Arc::clone(entry)))
}

/// The project of the holder; for every project, those that have hosts of its enterprise projects.
fn ids(app: &App, holder: &Entry, name: Option<&str>) -> Vec<String> {
    let wanted = |id: &str| name.is_none_or(|name| name == id);
    match holder.grant.project_id.as_str() {
        Grant::EVERY_PROJECT => {
            let state = app.state();
            let granted = &holder.grant.enterprise_projects;
            let beyond = caps::PROJECTS_LISTED_MAX + 1;
            let theirs = state.projects().filter(|(id, project)| {
                // Else it would tell of a project that others' hosts alone make.
                wanted(id.as_str()) && project.hosts_in(granted) > 0
            });
            let ids = theirs.take(beyond).map(|(id, _)| id.as_str().to_owned());
            ids.collect()
        }
        // A token that grants nothing.
        Grant::NO_PROJECT => Vec::new(),
        own => wanted(own).then(|| own.to_owned()).into_iter().collect(),
    }
}
