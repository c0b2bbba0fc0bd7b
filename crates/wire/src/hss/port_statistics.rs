//! `GET /v5/{project_id}/asset/port/statistics`: its parameters and its answer.
//!
//! The parameters are those of the contract's first page and the later ones (`port_string`,
//! `status`, `sort_key`, `sort_dir`, types `TCP6` and `UDP6`); one parser serves the native
//! statistics as well, so that a filter means the same on both.

use serde::Serialize;

use crate::caps;
use crate::hss::parameters::{
    self, CATEGORY, ENTERPRISE_PROJECT_ID, KindFilter, LIMIT, OFFSET, PORT, PageRange, SORT_DIR,
    STATUS, TYPE, enterprise_projects,
};
use crate::open_port::Category;
use crate::query::{Parameter, ParameterFault, Query};

/// A parsed query: what to count, and which page of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortStatisticsQuery {
    /// Only this port.
    pub port: Option<u16>,
    /// Only this type.
    pub kind: Option<KindFilter>,
    /// Which page of the rows.
    pub range: PageRange,
    /// Which assets count.
    pub category: Category,
    /// Only ports whose decimal contains this text.
    pub port_string: Option<String>,
    /// Only rows of this status.
    pub status: Option<PortStatus>,
    /// The direction of the port order.
    pub sort_dir: SortDir,
}

/// What the port table says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

    pub(crate) fn read(text: &str) -> Option<Self> {
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

const PORT_STRING: Parameter = Parameter::text("port_string", 1, caps::PARAMETER_CHARS_MAX);
const SORT_KEY: Parameter = Parameter::one_of("sort_key", &["port"]);

impl PortStatisticsQuery {
    /// The parameters, in the contract's order.
    pub const PARAMETERS: &[Parameter] = &[
        PORT,
        TYPE,
        ENTERPRISE_PROJECT_ID,
        LIMIT,
        OFFSET,
        CATEGORY,
        PORT_STRING,
        STATUS,
        SORT_KEY,
        SORT_DIR,
    ];

    /// Reads a query. The first fault in the contract's order is told.
    ///
    /// # Errors
    /// A known parameter has a value that is not allowed, or is given twice.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        let port = parameters::port(query)?;
        let kind = parameters::kind(query)?;
        enterprise_projects(query)?;
        let range = PageRange::read(query)?;
        let category = parameters::category(query)?;
        let port_string = PORT_STRING.read_text(query)?;
        let status = parameters::status(query)?;
        // The only key there is: naming it changes nothing.
        SORT_KEY.read_text(query)?;
        let sort_dir = parameters::sort_dir(query)?;
        Ok(Self {
            port,
            kind,
            range,
            category,
            port_string,
            status,
            sort_dir,
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
        Ok(Self {
            kind: parameters::kind(query)?,
            category: parameters::category(query)?,
        })
    }
}

/// The body of a 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
}
