//! `GET /v5/{project_id}/asset/port/statistics`: its parameters and its answer.
//!
//! The parameters are those of the contract's first page and the later ones (`port_string`,
//! `status`, `sort_key`, `sort_dir`, types `TCP6` and `UDP6`); one parser serves the native
//! statistics as well, so that a filter means the same on both.

use serde::Serialize;

use crate::caps;
use crate::open_port::{Category, Transport};
use crate::query::{Parameter, ParameterFault, Query, integer};

/// A parsed query: what to count, and which page of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortStatisticsQuery {
    /// Only this port.
    pub port: Option<u16>,
    /// Only this type.
    pub kind: Option<KindFilter>,
    /// Rows of a page, 10 to 200.
    pub limit: u32,
    /// Rows before the page, 0 to 2,000,000.
    pub offset: u32,
    /// Which assets count.
    pub category: Category,
    /// Only ports whose decimal contains this text.
    pub port_string: Option<String>,
    /// Only rows of this status.
    pub status: Option<PortStatus>,
    /// The direction of the port order.
    pub sort_dir: SortDir,
}

/// The `type` of a request. `TCP` and `UDP` cover both address families; `TCP6` and `UDP6`
/// restrict to IPv6 sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KindFilter {
    /// The transport.
    pub transport: Transport,
    /// Whether only IPv6 sockets count.
    pub v6: bool,
}

impl KindFilter {
    /// The name on the wire: `TCP`, `UDP`, `TCP6` or `UDP6`.
    pub const fn as_str(self) -> &'static str {
        match (self.transport, self.v6) {
            (Transport::Tcp, false) => "TCP",
            (Transport::Udp, false) => "UDP",
            (Transport::Tcp, true) => "TCP6",
            (Transport::Udp, true) => "UDP6",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (transport, v6) = match text {
            "TCP" => (Transport::Tcp, false),
            "UDP" => (Transport::Udp, false),
            "TCP6" => (Transport::Tcp, true),
            "UDP6" => (Transport::Udp, true),
            _ => return None,
        };
        Some(Self { transport, v6 })
    }
}

/// What the port table says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PortStatus {
    /// A port that attackers look for or that should not be reachable.
    Danger,
    /// A well-known service's port.
    Normal,
    /// A port that the table does not know.
    Unknown,
}

impl PortStatus {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Danger => "danger",
            Self::Normal => "normal",
            Self::Unknown => "unknown",
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            "danger" => Some(Self::Danger),
            "normal" => Some(Self::Normal),
            // Older pages and their examples spell it without the last letter.
            "unknown" | "unknow" => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// The direction of the port order; TCP comes before UDP either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SortDir {
    /// Lowest port first.
    #[default]
    Asc,
    /// Highest port first.
    Desc,
}

/// The `enterprise_project_id` of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnterpriseProjects {
    /// One, `0` where the request named none.
    One(String),
    /// All that the credential may read.
    AllGranted,
}

pub(super) const PORT: Parameter = Parameter {
    name: "port",
    allowed: "1 to 65535",
};
pub(super) const TYPE: Parameter = Parameter {
    name: "type",
    allowed: "TCP, UDP, TCP6 or UDP6",
};
const ENTERPRISE_PROJECT_ID: Parameter = Parameter {
    name: "enterprise_project_id",
    allowed: "0 to 128 characters",
};
const LIMIT: Parameter = Parameter {
    name: "limit",
    allowed: "10 to 200",
};
const OFFSET: Parameter = Parameter {
    name: "offset",
    allowed: "0 to 2000000",
};
pub(super) const CATEGORY: Parameter = Parameter {
    name: "category",
    allowed: "host or container",
};
const PORT_STRING: Parameter = Parameter {
    name: "port_string",
    allowed: "1 to 256 characters",
};
const STATUS: Parameter = Parameter {
    name: "status",
    allowed: "danger, normal or unknown",
};
const SORT_KEY: Parameter = Parameter {
    name: "sort_key",
    allowed: "port",
};
const SORT_DIR: Parameter = Parameter {
    name: "sort_dir",
    allowed: "asc or desc",
};

/// Reads `enterprise_project_id` alone: whether it is granted is told before any other fault.
///
/// # Errors
/// It is longer than 128 characters, or given twice.
pub fn enterprise_projects(query: &Query<'_>) -> Result<EnterpriseProjects, ParameterFault> {
    let given = ENTERPRISE_PROJECT_ID.read(query, |text| {
        (text.chars().count() <= caps::ENTERPRISE_PROJECT_ID_CHARS_MAX).then(|| text.to_owned())
    })?;
    Ok(match given.as_deref() {
        None | Some("") => {
            EnterpriseProjects::One(crate::ids::EnterpriseProjectId::DEFAULT.to_owned())
        }
        Some(crate::ids::EnterpriseProjectId::ALL_GRANTED) => EnterpriseProjects::AllGranted,
        Some(one) => EnterpriseProjects::One(one.to_owned()),
    })
}

impl PortStatisticsQuery {
    /// Reads a query. The first fault in the contract's order is told.
    ///
    /// # Errors
    /// A known parameter has a value that is not allowed, or is given twice.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        let port = PORT.read(query, read_port)?;
        let kind = TYPE.read(query, KindFilter::read)?;
        enterprise_projects(query)?;
        let limit = LIMIT.read(query, |t| {
            integer(t, caps::PAGE_LIMIT_MIN..=caps::PAGE_LIMIT_MAX)
        })?;
        let offset = OFFSET.read(query, |t| integer(t, 0..=caps::PAGE_OFFSET_MAX))?;
        let category = CATEGORY.read(query, read_category)?;
        let port_string = PORT_STRING.read(query, |t| {
            (1..=caps::PARAMETER_CHARS_MAX)
                .contains(&t.chars().count())
                .then(|| t.to_owned())
        })?;
        let status = STATUS.read(query, PortStatus::read)?;
        // The only key there is: naming it changes nothing.
        SORT_KEY.read(query, |t| (t == "port").then_some(()))?;
        let sort_dir = SORT_DIR.read(query, |t| match t {
            "asc" => Some(SortDir::Asc),
            "desc" => Some(SortDir::Desc),
            _ => None,
        })?;
        Ok(Self {
            port,
            kind,
            limit: limit.unwrap_or(caps::PAGE_LIMIT_MIN),
            offset: offset.unwrap_or(0),
            category: category.unwrap_or(Category::Host),
            port_string,
            status,
            sort_dir: sort_dir.unwrap_or_default(),
        })
    }
}

/// The filters that lists of assets share with the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetFilter {
    /// Only this type.
    pub kind: Option<KindFilter>,
    /// Which assets.
    pub category: Category,
}

impl AssetFilter {
    /// Reads `type` and `category`.
    ///
    /// # Errors
    /// One of them has a value that is not allowed, or is given twice.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        let kind = TYPE.read(query, KindFilter::read)?;
        let category = CATEGORY.read(query, read_category)?;
        Ok(Self {
            kind,
            category: category.unwrap_or(Category::Host),
        })
    }
}

pub(super) fn read_port(text: &str) -> Option<u16> {
    integer(text, 1..=65_535).and_then(|port| u16::try_from(port).ok())
}

pub(super) fn read_category(text: &str) -> Option<Category> {
    match text {
        "host" => Some(Category::Host),
        "container" => Some(Category::Container),
        _ => None,
    }
}

/// The body of a 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortStatistics {
    /// The rows that match, before paging.
    pub total_num: u64,
    /// The rows of the page.
    pub data_list: Vec<PortStatisticsRow>,
}

impl PortStatistics {
    /// The body as JSON, byte for byte what its [`Serialize`] gives: by hand, since writing ten rows
    /// is a tenth of what a query costs.
    pub fn to_json(&self) -> Vec<u8> {
        const ROW_BYTES: usize = 64;
        let mut json = Vec::with_capacity(ROW_BYTES * (1 + self.data_list.len()));
        let mut number = itoa::Buffer::new();
        json.extend_from_slice(b"{\"total_num\":");
        json.extend_from_slice(number.format(self.total_num).as_bytes());
        json.extend_from_slice(b",\"data_list\":[");
        for (place, row) in self.data_list.iter().enumerate() {
            if place > 0 {
                json.push(b',');
            }
            json.extend_from_slice(b"{\"num\":");
            json.extend_from_slice(number.format(row.num).as_bytes());
            json.extend_from_slice(b",\"port\":");
            json.extend_from_slice(number.format(row.port).as_bytes());
            json.extend_from_slice(b",\"type\":\"");
            // Neither a type nor a status has a character to be escaped.
            json.extend_from_slice(row.kind.as_bytes());
            if let Some(status) = row.status {
                json.extend_from_slice(b"\",\"status\":\"");
                json.extend_from_slice(status.as_str().as_bytes());
            }
            json.extend_from_slice(b"\"}");
        }
        json.extend_from_slice(b"]}");
        json
    }
}

/// One row: a port and a type, and on how many assets it is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortStatisticsRow {
    /// Distinct assets on which it is open.
    pub num: u64,
    /// The port number.
    pub port: u16,
    /// `TCP` or `UDP`, and `TCP6` or `UDP6` where the request asked for it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Told only where the configuration or the request asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<PortStatus>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<PortStatisticsQuery, String> {
        PortStatisticsQuery::read(&Query::decode(raw).unwrap()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn the_first_fault_in_the_contracts_order_is_told() {
        assert_eq!(
            read("offset=-1&limit=9").unwrap_err(),
            "limit must be 10 to 200, got 9"
        );
        assert_eq!(
            read("sort_dir=up&port=0").unwrap_err(),
            "port must be 1 to 65535, got 0"
        );
    }

    #[test]
    fn a_known_parameter_given_twice_is_a_fault_whatever_its_values() {
        assert_eq!(
            read("limit=10&limit=10").unwrap_err(),
            "limit must be given once, got it twice"
        );
        assert!(read("foo=1&foo=2").is_ok());
    }

    #[test]
    fn the_json_by_hand_is_that_of_the_type() {
        let row = |num, port, kind, status| PortStatisticsRow {
            num,
            port,
            kind,
            status,
        };
        let rows = [
            row(0, 1, "TCP", None),
            row(u64::MAX, 65_535, "UDP6", Some(PortStatus::Danger)),
            row(10_001, 443, "TCP6", Some(PortStatus::Unknown)),
        ];
        for count in 0..=rows.len() {
            let body = PortStatistics {
                total_num: u64::MAX - count as u64,
                data_list: rows[..count].to_vec(),
            };
            let json = String::from_utf8(body.to_json()).unwrap();
            assert_eq!(json, serde_json::to_string(&body).unwrap());
        }
    }

    #[test]
    fn an_empty_enterprise_project_is_the_default_one() {
        let of = |raw| enterprise_projects(&Query::decode(raw).unwrap()).unwrap();
        assert_eq!(of(""), EnterpriseProjects::One("0".into()));
        assert_eq!(
            of("enterprise_project_id="),
            EnterpriseProjects::One("0".into())
        );
        assert_eq!(
            of("enterprise_project_id=all_granted_eps"),
            EnterpriseProjects::AllGranted
        );
    }
}
