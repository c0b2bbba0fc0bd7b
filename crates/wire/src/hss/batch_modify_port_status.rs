//! `POST /v5/{project_id}/asset/batch-modify-port-status`: ports that are to be ignored, or no longer.

use serde::Deserialize;

use crate::error::ErrorCode;
use crate::hss::parameters::{self, CATEGORY, ENTERPRISE_PROJECT_ID};
use crate::open_port::{Category, Transport};
use crate::query::{Parameter, ParameterFault, Query};
use crate::report::{
    Fault, Filled, Form, Int, Item, Object, Read as _, RequestFault, Row, Text, TransportText,
    shapes,
};
use crate::{caps, json};

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortStatusChange {
    /// Whether to ignore the ports, or to ignore them no longer.
    pub ignore: bool,
    /// Which: 0 to 200.
    pub items: Vec<PortOfAsset>,
}

/// One asset's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOfAsset {
    /// The agent: names the host where `host_id` does not.
    pub agent_id: Option<String>,
    /// The host.
    pub host_id: Option<String>,
    /// The container within it, or its netns where there is none; of category container only.
    pub container_id: Option<String>,
    /// The port, 1 to 65535: the documents allow more, but no other number is a port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
}

/// The parameters.
pub const PARAMETERS: &[Parameter] = &[ENTERPRISE_PROJECT_ID, CATEGORY];

const LIST: &str = "data_list";
const OPERATE_TYPE: &str = "operate_type";

/// Reads the query: which assets the items name. The first fault in the contract's order is told.
///
/// # Errors
/// A known parameter has a value that is not allowed, or is given twice.
pub fn category(query: &Query<'_>) -> Result<Category, ParameterFault> {
    parameters::enterprise_projects(query)?;
    parameters::category(query)
}

/// Reads the body, for assets of that category.
///
/// # Errors
/// [`ErrorCode::RequestNotParsed`] where it is not JSON; [`ErrorCode::InvalidParameter`] with the
/// place, what is allowed and what was given.
pub fn parse(body: &[u8], category: Category) -> Result<PortStatusChange, RequestFault> {
    let items = json::items(body, LIST, 0..=caps::IGNORING_ITEMS_MAX);
    let items = items.map_err(|fault| RequestFault {
        code: match fault.code {
            ErrorCode::NotJson => ErrorCode::RequestNotParsed,
            _ => ErrorCode::InvalidParameter,
        },
        ..fault
    })?;
    // It was read as UTF-8 just now.
    let text = std::str::from_utf8(body).unwrap_or_default();
    let ignore = operate_type(text)?;
    let items = items.iter().enumerate().map(|(index, raw)| {
        let text = raw.get();
        let item = Item {
            form: &PORT_OF_ASSET,
            index: Some(index),
            text,
        };
        port_of_asset(item, category).map_err(|fault| invalid(fault.message))
    });
    Ok(PortStatusChange {
        ignore,
        items: items.collect::<Result<_, _>>()?,
    })
}

fn operate_type(text: &str) -> Result<bool, RequestFault> {
    if json::repeated(text, |name| name == OPERATE_TYPE).is_some() {
        return Err(invalid(format!("{OPERATE_TYPE} must be given once")));
    }
    let given = json::field(text, OPERATE_TYPE);
    match given
        .and_then(|given| serde_json::from_str::<String>(given).ok())
        .as_deref()
    {
        Some("ignore") => Ok(true),
        Some("not_ignore") => Ok(false),
        _ => {
            let given = given.map_or_else(|| "nothing".to_owned(), json::shown);
            let must = "must be ignore or not_ignore";
            Err(invalid(format!("{OPERATE_TYPE} {must}, got {given}")))
        }
    }
}

fn port_of_asset(item: Item<'_>, category: Category) -> Result<PortOfAsset, Fault> {
    let read = item.read::<PortOfAssetShape>()?;
    if read.host_id.is_none() && read.agent_id.is_none() {
        let must = format_args!("be given where agent_id is not");
        return Err(item.fault("host_id", must));
    }
    match category {
        // A container in its host's own namespace is an attribute there, and no asset.
        Category::Host => Ok(PortOfAsset {
            container_id: None,
            ..read
        }),
        Category::Container if read.container_id.is_none() => {
            let must = format_args!("be given in category container");
            Err(item.fault("container_id", must))
        }
        Category::Container => Ok(read),
    }
}

fn invalid(message: String) -> RequestFault {
    RequestFault {
        code: ErrorCode::InvalidParameter,
        message,
    }
}

type Id = Text<0, { caps::IGNORING_ID_CHARS_MAX }>;
/// As long as a report's: the documents allow 64, but one that is shown can be named.
type Container = Text<0, { caps::NETNS_CHARS_MAX }>;
type Port = Int<u16, 1, 65_535>;

/// Every field of an item.
const PORT_OF_ASSET: Form = Form {
    list: LIST,
    host_id: &["host_id"],
    rows: &[
        Row::required::<Object<PortOfAssetShape>>(""),
        Row::optional::<Id>("agent_id"),
        Row::optional::<Id>("host_id"),
        Row::optional::<Container>("container_id"),
        Row::required::<Port>("port"),
        Row::required::<TransportText>("port_type"),
    ],
};

#[derive(Deserialize)]
#[serde(remote = "PortOfAsset")]
struct PortOfAssetShape {
    #[serde(default, deserialize_with = "Filled::<Id>::read")]
    agent_id: Option<String>,
    #[serde(default, deserialize_with = "Filled::<Id>::read")]
    host_id: Option<String>,
    #[serde(default, deserialize_with = "Filled::<Container>::read")]
    container_id: Option<String>,
    #[serde(deserialize_with = "Port::read")]
    port: u16,
    #[serde(rename = "port_type", deserialize_with = "TransportText::read")]
    transport: Transport,
}

shapes! { PortOfAssetShape => PortOfAsset }

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str) -> (ErrorCode, String) {
        let fault = parse(body.as_bytes(), Category::Host).unwrap_err();
        (fault.code, fault.message)
    }

    fn item(fields: &str) -> String {
        format!(r#"{{"operate_type":"ignore","data_list":[{{{fields}}}]}}"#)
    }

    #[test]
    fn a_body_is_read_as_its_category_names_assets() {
        let body = item(
            r#""agent_id":"a","host_id":"h","container_id":"c","port":65535,"port_type":"UDP","x":1"#,
        );
        let of = |category| parse(body.as_bytes(), category).unwrap().items.remove(0);
        let expected = PortOfAsset {
            agent_id: Some("a".into()),
            host_id: Some("h".into()),
            container_id: Some("c".into()),
            port: 65_535,
            transport: Transport::Udp,
        };
        assert_eq!(of(Category::Container), expected);
        assert_eq!(
            of(Category::Host),
            PortOfAsset {
                container_id: None,
                ..expected
            }
        );
        let empty = parse(
            br#"{"data_list":[],"operate_type":"not_ignore"}"#,
            Category::Host,
        );
        assert_eq!(
            empty.unwrap(),
            PortStatusChange {
                ignore: false,
                items: Vec::new()
            }
        );
    }

    #[test]
    fn what_is_not_json_is_told_apart_from_what_is_wrong_in_it() {
        for body in ["", "{", "[1,", "{\"data_list\":[]} x"] {
            assert_eq!(fault(body).0, ErrorCode::RequestNotParsed, "{body}");
        }
        let ids = r#""host_id":"h","port_type":"TCP""#;
        let long = "x".repeat(65);
        let many = format!(
            "{{\"operate_type\":\"ignore\",\"data_list\":[{}]}}",
            ["1"; 201].join(",")
        );
        for (body, told) in [
            (
                "[]".to_owned(),
                "the body must be an object with the list data_list, got []",
            ),
            ("{}".to_owned(), "data_list is required"),
            (
                r#"{"data_list":7}"#.to_owned(),
                "data_list must be an array, got 7",
            ),
            (
                r#"{"data_list":[]}"#.to_owned(),
                "operate_type must be ignore or not_ignore, got nothing",
            ),
            (
                r#"{"data_list":[],"operate_type":"Ignore"}"#.to_owned(),
                "operate_type must be ignore or not_ignore, got \"Ignore\"",
            ),
            (
                r#"{"data_list":[],"operate_type":"ignore","operate_type":"ignore"}"#.to_owned(),
                "operate_type must be given once",
            ),
            (many, "data_list must have 0 to 200 entries, got 201"),
            (item(ids), "data_list[0].port is required"),
            (
                item(&format!(r#"{ids},"port":0"#)),
                "data_list[0].port must be 1 to 65535, got 0",
            ),
            (
                item(&format!(r#"{ids},"port":2147483647"#)),
                "data_list[0].port must be 1 to 65535, got 2147483647",
            ),
            (
                item(&format!(r#"{ids},"port":1,"port":1"#)),
                "data_list[0].port must be given once",
            ),
            (
                item(r#""host_id":"h","port":1,"port_type":"TCP6""#),
                "data_list[0].port_type must be TCP or UDP, got \"TCP6\"",
            ),
            (
                item(&format!(r#""host_id":"{long}""#)),
                &*format!(
                    "data_list[0].host_id must be a string of 0 to 64 characters without NUL, got \"{}…",
                    "x".repeat(62)
                ),
            ),
        ] {
            assert_eq!(
                fault(&body),
                (ErrorCode::InvalidParameter, told.to_owned()),
                "{body}"
            );
        }
    }

    #[test]
    fn an_item_names_a_host_and_in_category_container_a_container() {
        let nobody = item(r#""host_id":"","agent_id":null,"port":1,"port_type":"TCP""#);
        let told = "data_list[0].host_id must be given where agent_id is not, got \"\"";
        assert_eq!(fault(&nobody), (ErrorCode::InvalidParameter, told.into()));
        let body = item(r#""agent_id":"a","container_id":"","port":1,"port_type":"TCP""#);
        let fault = parse(body.as_bytes(), Category::Container).unwrap_err();
        let told = "data_list[0].container_id must be given in category container, got \"\"";
        assert_eq!(fault.message, told);
        let of_host = parse(body.as_bytes(), Category::Host).unwrap();
        assert_eq!(of_host.items[0].container_id, None);
    }

    /// As long as a report's: what is shown can be named.
    #[test]
    fn a_container_id_may_have_as_many_characters_as_in_a_report() {
        let of = |chars: usize| {
            let id = "c".repeat(chars);
            let body = item(&format!(
                r#""host_id":"h","container_id":"{id}","port":1,"port_type":"TCP""#
            ));
            parse(body.as_bytes(), Category::Container).map(|read| read.items[0].clone())
        };
        let longest = of(128).unwrap().container_id;
        assert_eq!(longest.map(|id| id.len()), Some(128));
        let fault = of(129).unwrap_err();
        assert_eq!(fault.code, ErrorCode::InvalidParameter);
        assert!(
            fault
                .message
                .starts_with("data_list[0].container_id must be")
        );
    }
}
