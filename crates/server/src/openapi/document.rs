//! The OpenAPI document, put together from the calls.

use portolan_wire::caps;
use portolan_wire::query::{Allowed, Parameter};
use serde_json::{Map, Value, json};
use utoipa::openapi::{HttpMethod, RefOr, Schema};

use super::bounds;
use super::call::{Access, Body, Call};
use super::table::calls;

/// The document.
pub(super) fn document() -> Value {
    let calls = calls();
    let mut paths = Map::new();
    let mut schemas = Map::new();
    let mut strict: Vec<&String> = Vec::new();
    let mut add = |(name, schema): &(String, RefOr<Schema>)| {
        schemas.insert(name.clone(), json!(schema));
    };
    for call in &calls {
        call.schemas.iter().for_each(&mut add);
        if call.strict {
            strict.extend(&call.body);
        }
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(method(&call.method).into(), operation(call));
        }
    }
    for name in strict {
        if let Some(schema) = schemas.get_mut(name).and_then(Value::as_object_mut) {
            schema.insert("additionalProperties".into(), json!(false));
        }
    }
    schemas.sort_keys();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portolan",
            "description": "Which TCP and UDP ports are open, on which host and in which container. Every answer carries `X-Request-Id`.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "signature": {
                    "type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "`SDK-HMAC-SHA256 Access=…, SignedHeaders=…, Signature=…`, with `X-Sdk-Date`",
                },
            },
        },
    });
    bounds::apply(&mut document);
    document
}

fn method(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Post => "post",
        HttpMethod::Delete => "delete",
        _ => "get",
    }
}

fn operation(call: &Call) -> Value {
    let parameters: Vec<Value> = path_parameters(call.path)
        .chain(call.token_header.map(token_header))
        .chain(call.query.iter().map(|p| query_parameter(call, p)))
        .collect();
    let security = match call.access {
        Access::Open => json!([]),
        Access::Reader | Access::Agent | Access::Enrol | Access::Admin | Access::Any => {
            json!([{"token": []}, {"signature": []}])
        }
    };
    let mut operation = object(json!({
        "tags": [call.tag],
        "summary": call.summary,
        "operationId": call.id,
        "parameters": parameters,
        "responses": responses(call),
        "security": security,
    }));
    if let Some(body) = &call.body {
        let content = json!({"application/json": {"schema": reference(body)}});
        operation.insert(
            "requestBody".into(),
            json!({"required": true, "content": content}),
        );
    }
    if let Some(role) = role(call.access) {
        operation.insert("description".into(), json!(format!("Role: {role}.")));
    }
    Value::Object(operation)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The roles that may make a call, where it needs one.
pub(super) fn role(access: Access) -> Option<&'static str> {
    match access {
        Access::Reader => Some("reader or admin"),
        Access::Agent => Some("agent or admin"),
        Access::Enrol => Some("enrol or admin"),
        Access::Admin => Some("admin"),
        Access::Any => Some("any"),
        Access::Open => None,
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The parameters in braces of a path.
fn path_parameters(path: &'static str) -> impl Iterator<Item = Value> {
    let segments = path.split('/');
    let names = segments.filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        json!({"name": name, "in": "path", "required": true, "schema": bounds::of_path(name)})
    })
}

fn token_header(name: &str) -> Value {
    json!({
        "name": name,
        "in": "header",
        "required": true,
        "schema": {"type": "string", "minLength": caps::TOKEN_CHARS_MIN, "maxLength": caps::TOKEN_CHARS_MAX},
    })
}

fn query_parameter(call: &Call, parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": "query",
        "required": call.required.contains(&parameter.name),
        "description": format!("{}.", parameter.allowed),
        "schema": schema(parameter.allowed),
    })
}

fn schema(allowed: Allowed) -> Value {
    match allowed {
        Allowed::Integer(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Allowed::Text(min, max) => json!({"type": "string", "minLength": min, "maxLength": max}),
        Allowed::OneOf(values) => json!({"type": "string", "enum": values}),
        Allowed::List(values, chars) => json!({
            "type": "string", "minLength": 1, "maxLength": (values * (chars + 1)).min(caps::TARGET_BYTES_MAX),
        }),
        Allowed::SomeOf(values) => {
            let any = values.join("|");
            json!({"type": "string", "pattern": format!("^({any})(,({any}))*$")})
        }
        Allowed::Moment => json!({"type": "string", "format": "date-time"}),
        Allowed::Cursor => {
            json!({"type": "string", "minLength": 1, "maxLength": caps::TARGET_BYTES_MAX})
        }
        Allowed::ChangeId => {
            json!({"type": "string", "pattern": "^[0-9a-f]{16}-[0-9]+-[0-9]+$"})
        }
        Allowed::Once => json!({"type": "string"}),
    }
}

fn responses(call: &Call) -> Value {
    let mut headers = object(
        json!({"X-Request-Id": {"schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}}}),
    );
    if call.dated {
        headers.extend(object(json!({
            "X-Portolan-As-Of": {"schema": {"type": "string", "format": "date-time"}},
        })));
    }
    if call.counted {
        headers.extend(object(json!({
            "X-Portolan-Hosts": {"schema": {"type": "string", "pattern": "^fresh=[0-9]+, stale=[0-9]+$"}},
        })));
    }
    let content = match &call.answer {
        Body::Json(name) => json!({"application/json": {"schema": reference(name)}}),
        Body::Bytes(kinds) => kinds.iter().map(|kind| (*kind, json!({}))).collect(),
        Body::Empty => json!({}),
    };
    let well = json!({"description": "It went well.", "headers": headers, "content": content});
    let error = json!({
        "description": "An error, by `error_code`.",
        "content": {"application/json": {"schema": reference(&call.error)}},
    });
    let bare = json!({"description": "An error, by `error_code`; without a body beyond 64 KiB."});
    let mut responses = Map::new();
    responses.insert(call.status.to_string(), well);
    for status in errors(call) {
        // A request that never becomes one is answered without a body.
        let answer = if TOO_LARGE_HEADS.contains(&status) {
            &bare
        } else {
            &error
        };
        responses.insert(status.to_string(), answer.clone());
    }
    Value::Object(responses)
}

/// What a head may be refused by before it is read.
const TOO_LARGE_HEADS: [u16; 2] = [414, 431];

/// The statuses of errors that a call may answer.
fn errors(call: &Call) -> Vec<u16> {
    let mut statuses = vec![400, 404, 414, 431, 500];
    // Logging in is open, and is refused like a credential.
    if call.access != Access::Open || call.body.is_some() {
        statuses.extend([401, 403, 429, 503]);
    }
    if call.body.is_some() {
        statuses.extend([409, 413, 415]);
    }
    if call.method == HttpMethod::Delete {
        statuses.push(409);
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}
