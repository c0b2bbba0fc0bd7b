//! The parameters that several HSS calls share, each read in one place.

use serde::Serialize;

use crate::caps;
use crate::hss::port_statistics::PortStatus;
use crate::ids::EnterpriseProjectId;
use crate::open_port::{Category, Transport};
use crate::query::{Parameter, ParameterFault, Query, integer};

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
        let limit = LIMIT.read(query, |text| {
            integer(text, caps::PAGE_LIMIT_MIN..=caps::PAGE_LIMIT_MAX)
        })?;
        let offset = OFFSET.read(query, |text| integer(text, 0..=caps::PAGE_OFFSET_MAX))?;
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

const PORT: Parameter = Parameter {
    name: "port",
    allowed: "1 to 65535",
};
const TYPE: Parameter = Parameter {
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
const CATEGORY: Parameter = Parameter {
    name: "category",
    allowed: "host or container",
};
const STATUS: Parameter = Parameter {
    name: "status",
    allowed: "danger, normal or unknown",
};
/// Reads `port`: 1 to 65535.
///
/// # Errors
/// It is not such a number, or is given twice.
pub fn port(query: &Query<'_>) -> Result<Option<u16>, ParameterFault> {
    PORT.read(query, |text| {
        integer(text, 1..=65_535).and_then(|port| u16::try_from(port).ok())
    })
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

/// Reads `enterprise_project_id` alone: whether it is granted is told before any other fault.
///
/// # Errors
/// It is longer than 128 characters, or given twice.
pub fn enterprise_projects(query: &Query<'_>) -> Result<EnterpriseProjects, ParameterFault> {
    let given = ENTERPRISE_PROJECT_ID.read(query, |text| {
        (text.chars().count() <= caps::ENTERPRISE_PROJECT_ID_CHARS_MAX).then(|| text.to_owned())
    })?;
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
