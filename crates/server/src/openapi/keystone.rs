//! The calls of Keystone's shape. Their bodies are put together field by field, as Keystone's own
//! are, so their schemas are told here.
#![expect(dead_code, reason = "only the schemas of these types are used")]

use portolan_wire::caps;
use portolan_wire::query::Parameter;
use utoipa::ToSchema;

use super::call::{Access, Call};

/// What logs in.
#[derive(ToSchema)]
struct LogIn {
    auth: LogInAuth,
}

/// Who logs in, and for what.
#[derive(ToSchema)]
struct LogInAuth {
    identity: LogInIdentity,
    /// A project, by `id` or `name`, a domain, or nothing.
    #[schema(value_type = Option<Object>)]
    scope: Option<()>,
}

/// What proves who logs in.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Method {
    Password,
    Token,
}

/// By which method.
#[derive(ToSchema)]
struct LogInIdentity {
    /// One of them.
    #[schema(inline)]
    methods: Vec<Method>,
    /// The user, by `id`, or by `name` and domain, and the password.
    #[schema(value_type = Option<Object>)]
    password: Option<()>,
    /// The token, as `id`.
    #[schema(value_type = Option<Object>)]
    token: Option<()>,
}

/// A token as Keystone's clients read it; its secret is in the header `X-Subject-Token`.
#[derive(ToSchema)]
struct LoggedIn {
    /// `methods`, `user`, `issued_at`, `expires_at`, and by scope `project`, `domain`, `roles`, `catalog`.
    #[schema(value_type = Object)]
    token: (),
}

/// Projects that the caller may ask for.
#[derive(ToSchema)]
struct KeystoneProjects {
    #[schema(value_type = Vec<Object>)]
    projects: Vec<()>,
    #[schema(value_type = Object)]
    links: (),
    /// Whether there are more than are told.
    truncated: Option<bool>,
}

/// The domain of the caller.
#[derive(ToSchema)]
struct KeystoneDomains {
    #[schema(value_type = Vec<Object>)]
    domains: Vec<()>,
    #[schema(value_type = Object)]
    links: (),
}

/// What versions of the API there are.
#[derive(ToSchema)]
struct KeystoneVersion {
    #[schema(value_type = Object)]
    version: (),
}

/// An error in Keystone's form.
#[derive(ToSchema)]
pub(super) struct KeystoneError {
    error: KeystoneErrorBody,
}

/// What went wrong.
#[derive(ToSchema)]
pub(super) struct KeystoneErrorBody {
    /// The status.
    code: u16,
    message: String,
    title: String,
}

const SUBJECT_TOKEN: &str = "X-Subject-Token";
const NAME: Parameter = Parameter::text("name", 0, caps::PROJECT_ID_CHARS_MAX);

/// The calls.
pub(super) fn calls() -> Vec<Call> {
    let tokens = "/v3/auth/tokens";
    let calls = vec![
        Call::get("/v3", "KeystoneVersion", "The version document")
            .of(Access::Open)
            .answers::<KeystoneVersion>(),
        Call::post(
            tokens,
            "LogIn",
            "Logs in; the token is in `X-Subject-Token`",
        )
        .of(Access::Open)
        .sends::<LogIn>()
        .created()
        .answers::<LoggedIn>(),
        Call::get(
            tokens,
            "ValidateToken",
            "What the token in `X-Subject-Token` is for",
        )
        .of(Access::Any)
        .token_header(SUBJECT_TOKEN)
        .answers::<LoggedIn>(),
        Call::delete(tokens, "RevokeLogIn", "Ends the token in `X-Subject-Token`")
            .of(Access::Any)
            .token_header(SUBJECT_TOKEN),
        Call::get(
            "/v3/projects",
            "ListProjects",
            "The projects that the caller may ask for",
        )
        .of(Access::Any)
        .query([NAME])
        .answers::<KeystoneProjects>(),
        Call::get("/v3/auth/projects", "ListAuthProjects", "The same")
            .of(Access::Any)
            .query([NAME])
            .answers::<KeystoneProjects>(),
        Call::get(
            "/v3/auth/domains",
            "ListAuthDomains",
            "The domain of the caller",
        )
        .of(Access::Any)
        .answers::<KeystoneDomains>(),
    ];
    calls
        .into_iter()
        .map(|call| call.fails_as::<KeystoneError>())
        .collect()
}
