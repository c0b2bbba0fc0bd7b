//! The description of the API: the golden file, that every route is in it, and that what it says of
//! every text and number is a range.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::app::App;
use crate::client::Request;

fn document(app: &App) -> Value {
    app.send(&Request::get("/openapi.json")).ok()
}

#[test]
fn the_document_is_the_golden_file() {
    let app = App::start(&[]);
    let answer = app.send(&Request::get("/openapi.json"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let served = String::from_utf8(answer.body.clone()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(
        served == golden,
        "crates/server/openapi.json is not what is served; UPDATE_GOLDEN=1 writes it"
    );
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
}

/// The router says in `Allow` which methods a path has.
#[test]
fn each_path_has_the_methods_that_are_described_and_no_other() {
    let app = App::start(&[]);
    for (path, methods) in document(&app)["paths"].as_object().unwrap() {
        let target = path.replace(['{', '}'], "");
        let answer = app.send(&Request::new("PATCH", &target));
        let allowed = answer.header("allow").unwrap().to_lowercase();
        let allowed: BTreeSet<&str> = allowed.split(',').filter(|m| *m != "head").collect();
        let described: BTreeSet<&str> = methods.as_object().unwrap().keys().map(|m| &**m).collect();
        assert_eq!(allowed, described, "{path}");
    }
}

#[test]
fn every_text_number_and_list_has_its_range() {
    let app = App::start(&[]);
    let document = document(&app);
    let mut without = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let parts = schema["allOf"].as_array().cloned().unwrap_or_default();
        for part in parts.iter().chain([schema]) {
            for (field, schema) in part["properties"].as_object().into_iter().flatten() {
                if !has_range(schema) {
                    without.push(format!("{name}.{field}"));
                }
            }
        }
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            for parameter in operation["parameters"].as_array().unwrap() {
                if !has_range(&parameter["schema"]) {
                    without.push(format!("{path} {}", parameter["name"]));
                }
            }
        }
    }
    assert_eq!(without, [] as [&str; 0]);
}

fn has_range(schema: &Value) -> bool {
    let is = |kind: &str| match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|k| k == kind),
        one => one == kind,
    };
    let has = |limit: &str| !schema[limit].is_null();
    let number = !is("integer") || has("minimum") && has("maximum");
    let text = !is("string") || has("maxLength") || has("enum") || has("pattern") || has("format");
    let list = !is("array") || has("maxItems");
    number && text && list
}

#[test]
fn the_page_shows_every_call_and_asks_for_nothing_from_elsewhere() {
    let app = App::start(&[]);
    let answer = app.send(&Request::get("/docs"));
    let page = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-security-policy"),
        Some("default-src 'none'; style-src 'self'")
    );
    for path in document(&app)["paths"].as_object().unwrap().keys() {
        assert!(page.contains(path), "{path}");
    }
    let elsewhere = [
        "src=", "http://", "https://", "url(", "@import", "<script", "style=",
    ];
    for word in elsewhere {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(app.send(&Request::get("/docs/style.css")).status, 200);
}
