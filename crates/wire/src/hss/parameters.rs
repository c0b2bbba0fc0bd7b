//! The parameters that several HSS calls share, each read in one place.

use serde::Serialize;

use crate::caps;
use crate::hss::port_statistics::{PortStatus, SortDir};
use crate::ids::EnterpriseProjectId;
use crate::open_port::{Category, Transport};
use crate::query::{Parameter, ParameterFault, Query};

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

    /// The type with this name.
    pub fn read(text: &str) -> Option<Self> {
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

/// Which rows of a list, by `limit` and `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    /// Rows of a page, 10 to 200.
    pub limit: u32,
    /// Rows before the page, 0 to 2,000,000.
    pub offset: u32,
}

impl PageRange {
    /// Reads `limit` and `offset`: 10 and 0 where they are absent.
    ///
    /// # Errors
    /// One of them is outside its range, or is given twice.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        let limit = LIMIT.read_integer(query)?;
        let offset = OFFSET.read_integer(query)?;
        Ok(Self {
            limit: limit.unwrap_or(caps::PAGE_LIMIT_MIN),
            offset: offset.unwrap_or(0),
        })
    }
}

/// The `enterprise_project_id` of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnterpriseProjects {
    /// One, `0` where the request named none.
    One(String),
    /// All that the credential may read.
    AllGranted,
}

/// `port`.
pub const PORT: Parameter = Parameter::integer("port", 1, 65_535);
/// `type`.
pub const TYPE: Parameter = Parameter::one_of("type", &["TCP", "UDP", "TCP6", "UDP6"]);
/// `enterprise_project_id`.
pub const ENTERPRISE_PROJECT_ID: Parameter = Parameter::text(
    "enterprise_project_id",
    0,
    caps::ENTERPRISE_PROJECT_ID_CHARS_MAX,
);
/// `limit` of an HSS call.
pub const LIMIT: Parameter =
    Parameter::integer("limit", caps::PAGE_LIMIT_MIN, caps::PAGE_LIMIT_MAX);
/// `offset`.
pub const OFFSET: Parameter = Parameter::integer("offset", 0, caps::PAGE_OFFSET_MAX);
/// `category`.
pub const CATEGORY: Parameter = Parameter::one_of("category", &["host", "container"]);
/// `status`.
pub const STATUS: Parameter = Parameter::one_of("status", &["danger", "normal", "unknown"]);
/// `sort_dir`.
pub const SORT_DIR: Parameter = Parameter::one_of("sort_dir", &["asc", "desc"]);

/// Reads `port`: 1 to 65535.
///
/// # Errors
/// It is not such a number, or is given twice.
pub fn port(query: &Query<'_>) -> Result<Option<u16>, ParameterFault> {
    let port = PORT.read_integer(query)?;
    Ok(port.and_then(|port| u16::try_from(port).ok()))
}

/// Reads `port` of a call that needs one.
///
/// # Errors
/// It is absent, not a number from 1 to 65535, or given twice.
pub fn required_port(query: &Query<'_>) -> Result<u16, ParameterFault> {
    port(query)?.ok_or_else(|| PORT.fault(""))
}

/// Reads `type`.
///
/// # Errors
/// It is none of the four, or is given twice.
pub fn kind(query: &Query<'_>) -> Result<Option<KindFilter>, ParameterFault> {
    TYPE.read(query, KindFilter::read)
}

/// Reads `category`: host where it is absent.
///
/// # Errors
/// It is neither host nor container, or is given twice.
pub fn category(query: &Query<'_>) -> Result<Category, ParameterFault> {
    let given = CATEGORY.read(query, |text| match text {
        "host" => Some(Category::Host),
        "container" => Some(Category::Container),
        _ => None,
    })?;
    Ok(given.unwrap_or(Category::Host))
}

/// Reads `status`.
///
/// # Errors
/// It is none of the three, or is given twice.
pub fn status(query: &Query<'_>) -> Result<Option<PortStatus>, ParameterFault> {
    STATUS.read(query, PortStatus::read)
}

/// Reads `sort_dir`: ascending where it is absent.
///
/// # Errors
/// It is neither asc nor desc, or is given twice.
pub fn sort_dir(query: &Query<'_>) -> Result<SortDir, ParameterFault> {
    let given = SORT_DIR.read(query, |text| match text {
        "asc" => Some(SortDir::Asc),
        "desc" => Some(SortDir::Desc),
        _ => None,
    })?;
    Ok(given.unwrap_or_default())
}

/// Reads `enterprise_project_id` alone: whether it is granted is told before any other fault.
///
/// # Errors
/// It is longer than 128 characters, or given twice.
pub fn enterprise_projects(query: &Query<'_>) -> Result<EnterpriseProjects, ParameterFault> {
    let given = ENTERPRISE_PROJECT_ID.read_text(query)?;
    Ok(match given.as_deref() {
        None | Some("") => EnterpriseProjects::One(EnterpriseProjectId::DEFAULT.to_owned()),
        Some(EnterpriseProjectId::ALL_GRANTED) => EnterpriseProjects::AllGranted,
        Some(one) => EnterpriseProjects::One(one.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
