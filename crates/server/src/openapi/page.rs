//! The description as a page: plain HTML that needs nothing but one style sheet of this server.

use maud::{DOCTYPE, Markup, html};
use serde_json::{Map, Value};

/// The page of a document.
pub(super) fn page(document: &Value) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Portolan: HTTP API" }
                link rel="stylesheet" href="/docs/style.css";
            }
            body {
                header {
                    h1 { "Portolan: HTTP API" }
                    p { (document.pointer("/info/description").and_then(Value::as_str).unwrap_or_default()) }
                    p { "The same for programs: " a href="/openapi.json" { "/openapi.json" } "." }
                }
                nav aria-label="Calls" { ul {
                    @for (path, method, operation) in operations(document) {
                        li { a href={ "#" (id(operation)) } { (method.to_uppercase()) " " (path) } }
                    }
                } }
                main {
                    @for (path, method, operation) in operations(document) {
                        (call(path, method, operation))
                    }
                    h2 { "Bodies" }
                    @for (name, schema) in document.pointer("/components/schemas").into_iter().flat_map(members) {
                        (body(name, schema))
                    }
                }
            }
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    members(&document["paths"]).flat_map(|(path, methods)| {
        members(methods).map(move |(method, operation)| (path, method, operation))
    })
}

fn id(operation: &Value) -> &str {
    operation["operationId"].as_str().unwrap_or_default()
}

fn call(path: &str, method: &str, operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array();
    html! {
        section id=(id(operation)) {
            h3 { span.method { (method.to_uppercase()) } " " code { (path) } }
            p { (operation["summary"].as_str().unwrap_or_default()) ". " (operation["description"].as_str().unwrap_or_default()) }
            @if let Some(parameters) = parameters.filter(|parameters| !parameters.is_empty()) {
                table {
                    thead { tr { th scope="col" { "parameter" } th scope="col" { "in" } th scope="col" { "allowed" } } }
                    tbody { @for parameter in parameters {
                        tr {
                            td { code { (parameter["name"].as_str().unwrap_or_default()) }
                                @if parameter["required"] == true { " (required)" } }
                            td { (parameter["in"].as_str().unwrap_or_default()) }
                            td { (allowed(&parameter["schema"])) }
                        }
                    } }
                }
            }
            @if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
                p { "Sends " (allowed(schema)) "." }
            }
            p { "Answers " @for (place, (status, response)) in members(&operation["responses"]).enumerate() {
                @if place > 0 { ", " }
                (status)
                @if let Some(schema) = response.pointer("/content/application~1json/schema") { " " (allowed(schema)) }
            } "." }
        }
    }
}

fn body(name: &str, schema: &Value) -> Markup {
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let properties = parts
        .map(|part| &part["properties"])
        .chain([&schema["properties"]]);
    html! {
        section id={ "schema-" (name) } {
            h3 { code { (name) } }
            @if let Some(text) = schema["description"].as_str() { p { (text) } }
            @if schema["enum"].is_array() { p { (allowed(schema)) } }
            table {
                thead { tr { th scope="col" { "field" } th scope="col" { "allowed" } th scope="col" { "meaning" } } }
                tbody { @for (field, schema) in properties.flat_map(members) {
                    tr {
                        td { code { (field) } }
                        td { (allowed(schema)) }
                        td { (schema["description"].as_str().unwrap_or_default()) }
                    }
                } }
            }
        }
    }
}

/// What a value may be, in words.
fn allowed(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next())
    {
        return html! { a href={ "#schema-" (name) } { code { (name) } } };
    }
    if let Some(either) = schema["oneOf"].as_array() {
        return html! { @for (place, one) in either.iter().enumerate() { @if place > 0 { " or " } (allowed(one)) } };
    }
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().filter_map(Value::as_str);
        return html! { @for (place, value) in values.enumerate() { @if place > 0 { ", " } code { (value) } } };
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" or "),
        one => one.as_str().unwrap_or("any").to_owned(),
    };
    let range = |min: &str, max: &str, of: &str| {
        let (min, max) = (&schema[min], &schema[max]);
        (!max.is_null()).then(|| format!(", {min} to {max}{of}"))
    };
    html! {
        (kinds)
        @if let Some(form) = schema["format"].as_str().filter(|form| !form.starts_with("int")) { " (" (form) ")" }
        @if let Some(pattern) = schema["pattern"].as_str() { " " code { (pattern) } }
        (range("minimum", "maximum", "").unwrap_or_default())
        (range("minLength", "maxLength", " characters").unwrap_or_default())
        (range("minItems", "maxItems", " items").unwrap_or_default())
        @if !schema["items"].is_null() { " of " (allowed(&schema["items"])) }
    }
}
