//! `POST /v3/auth/tokens`: a proof becomes a session, and its token.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use portolan_store::RecordChange;
use portolan_wire::caps;
use portolan_wire::time::UnixMicros;

use crate::app::App;
use crate::audit::Act;
use crate::credentials::{
    Api, Entry, Grant, Mark, Method, Parent, Proof, Role, Scope, Secret, Session, Source,
    TokenHash, change_records, encode_session, in_pace, random_id, random_token,
};
use crate::edge::Peer;
use crate::error::ApiError;
use crate::hss;
use crate::keystone::answer::{Holder, Told};
use crate::keystone::body;
use crate::keystone::links::Links;
use crate::keystone::passwords::{check, refused};
use crate::keystone::request::{Asked, Body as LogIn, By, Wanted};
use crate::limits::Limit;

pub(super) const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// Who has proved to be somebody.
struct Proved {
    holder: Arc<Entry>,
    methods: Vec<Method>,
    /// When that proof ends.
    until: Option<UnixMicros>,
}

pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(raw_query): RawQuery,
    headers: HeaderMap,
    request_body: Body,
) -> Result<Response, ApiError> {
    app.serving()?;
    let links = Links::of(&app, &headers)?;
    let asked: LogIn = body::read(&app, &headers, request_body).await?;
    let Asked { by, scope } = asked.read()?;
    let proved = match by {
        By::Password { user, password } => Proved {
            holder: check(&app, peer.0, user, password, &scope).await?,
            methods: vec![Method::Password],
            until: None,
        },
        By::Token(token) => by_token(&app, &token)?,
    };
    in_pace(&app, &proved.holder, Api::Identity)?;
    let by_password = proved.methods == [Method::Password];
    let (session, secret) = session(&app, &proved, &scope)?;
    let session = Arc::new(session);
    keep(&app, &proved.holder, &session).await?;
    if by_password {
        app.audit.note(act(&app, &session, peer));
    }
    let body = told(&session, &proved.holder).body(catalog(raw_query.as_deref(), &links)?);
    let token = HeaderValue::try_from(secret).map_err(ApiError::internal)?;
    let response = (
        StatusCode::CREATED,
        [(SUBJECT_TOKEN, token)],
        hss::json(&body)?,
    );
    Ok(response.into_response())
}

fn act(app: &App, session: &Session, peer: Peer) -> Act {
    Act {
        at: app.now(),
        actor: Some(session.parent.id.clone()),
        source: Some(peer.0),
        action: "user.log-in",
        target: format!(
            "{}/log-in/{}",
            session.entry.grant.project_id, session.entry.id
        ),
        outcome: "done".to_owned(),
        detail: format!("for {}", session.scope.as_str()),
        count: 1,
    }
}

/// The catalog's addresses, unless the query says that none is wanted.
pub(super) fn catalog<'a>(
    raw_query: Option<&str>,
    links: &'a Links,
) -> Result<Option<&'a Links>, ApiError> {
    let query = hss::decoded(raw_query)?;
    // Given twice it is given.
    let unwanted = query
        .single("nocatalog")
        .map_or(true, |given| given.is_some());
    Ok((!unwanted).then_some(links))
}

fn by_token(app: &App, token: &Secret) -> Result<Proved, ApiError> {
    let entry = app.credentials.token(token.expose()).ok_or_else(refused)?;
    let told = |error: ApiError| error.told_to(&entry.id);
    if entry.is_expired(app.now()) {
        return Err(told(refused()));
    }
    // What it is exchanged for would be bound to no host, or count for no enrol key.
    if entry.host_id.is_some() || entry.grant.role == Role::Enrol {
        return Err(told(refused()));
    }
    let until = entry.grant.expires_at;
    let Some(session) = app.credentials.session(&entry) else {
        return Ok(Proved {
            holder: entry,
            methods: vec![Method::Token],
            until,
        });
    };
    let parent = app.credentials.parent(&session.parent);
    let mut methods = session.methods.clone();
    if !methods.contains(&Method::Token) {
        methods.push(Method::Token);
    }
    Ok(Proved {
        holder: parent.ok_or_else(|| told(refused()))?,
        methods,
        until,
    })
}

/// A new log-in, and its token.
fn session(app: &App, proved: &Proved, scope: &Wanted) -> Result<(Session, String), ApiError> {
    let holder = &proved.holder;
    let (scope, project_id) = granted(holder, scope)?;
    let now = app.now();
    let longest = UnixMicros(now.0.saturating_add(caps::SESSION_S_MAX * 1_000_000));
    let ends = [holder.grant.expires_at, proved.until, Some(longest)];
    let grant = Grant {
        project_id,
        expires_at: ends.into_iter().flatten().min(),
        ..holder.grant.clone()
    };
    let secret = random_token().map_err(ApiError::internal)?;
    let proof = Proof::Token(TokenHash::of(&secret));
    let id = random_id().map_err(ApiError::internal)?;
    let entry = Entry::new(id, holder.name.clone(), grant, Source::Store, proof);
    let session = Session {
        entry: Arc::new(entry),
        parent: Parent::of(holder),
        mark: Mark::of(holder),
        methods: proved.methods.clone(),
        scope,
        issued_at: now,
    };
    Ok((session, secret))
}

/// What a scope means for that holder. One that is not the holder's is refused like a wrong password.
fn granted(holder: &Entry, scope: &Wanted) -> Result<(Scope, String), ApiError> {
    let is_theirs = |domain: &str| Holder(holder).is_in(domain);
    match scope {
        Wanted::Nothing => Ok((Scope::None, Grant::NO_PROJECT.to_owned())),
        Wanted::Domain(domain) if is_theirs(domain) => {
            Ok((Scope::Domain, Grant::NO_PROJECT.to_owned()))
        }
        Wanted::Project { id, domain }
            if holder.grant.is_for(id)
                && (1..=caps::PROJECT_ID_CHARS_MAX).contains(&id.chars().count())
                && domain.as_deref().is_none_or(is_theirs) =>
        {
            Ok((Scope::Project, id.clone()))
        }
        Wanted::Domain(_) | Wanted::Project { .. } => Err(refused().told_to(&holder.id)),
    }
}

/// Makes a log-in durable and enters it. What it pushes out goes in the same write.
async fn keep(app: &Arc<App>, holder: &Entry, session: &Arc<Session>) -> Result<(), ApiError> {
    let (app, mark, session) = (Arc::clone(app), Mark::of(holder), Arc::clone(session));
    let whole = async move {
        let _one_at_a_time = app.changing_credentials.lock().await;
        let ended = change_records(&app, || {
            // Revoked or changed since its password was checked?
            let parent = app.credentials.parent(&session.parent);
            if parent.is_none_or(|parent| Mark::of(&parent) != mark) {
                return Err(refused());
            }
            let ended = app.credentials.sessions.in_the_way_of(&session.parent);
            let value = encode_session(&session).map_err(ApiError::internal)?;
            let put = RecordChange::put(session.key(), value).map_err(ApiError::internal)?;
            let gone = ended.iter().map(|ended| RecordChange::remove(ended.key()));
            Ok((gone.chain([put]).collect(), ended))
        })
        .await?;
        for ended in &ended {
            app.metrics.reached(match ended.parent == session.parent {
                true => Limit::SessionsOfACredential,
                false => Limit::Sessions,
            });
        }
        Ok(())
    };
    // It goes on when the client goes away: half of it would be neither made nor not.
    let done = tokio::spawn(whole).await;
    done.map_err(ApiError::internal)?
}

pub(super) fn told<'a>(session: &'a Session, holder: &'a Entry) -> Told<'a> {
    Told {
        holder: Holder(holder),
        entry: &session.entry,
        methods: &session.methods,
        scope: session.scope,
        issued_at: session.issued_at,
    }
}
