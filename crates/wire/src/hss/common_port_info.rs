//! `GET /v5/{project_id}/asset/common-port-info`: what is known of a port by its number.

use serde::Serialize;

use crate::hss::parameters::{self, ENTERPRISE_PROJECT_ID, KindFilter, PORT, TYPE};
use crate::hss::port_statistics::PortStatus;
use crate::query::{Parameter, ParameterFault, Query};

/// A parsed query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommonPortQuery {
    /// The port.
    pub port: u16,
    /// Only this type; without it TCP comes first, if it is known.
    pub kind: Option<KindFilter>,
}

/// Names, and the numbers that some pages of the contract give for them.
const CATEGORIES: &[&str] = &["host", "container", "0", "1"];
const CATEGORY: Parameter = Parameter::one_of("category", CATEGORIES);
/// As some pages of the contract spell it.
const CATEGOTY: Parameter = Parameter::one_of("categoty", CATEGORIES);

impl CommonPortQuery {
    /// The parameters.
    pub const PARAMETERS: &[Parameter] = &[PORT, TYPE, ENTERPRISE_PROJECT_ID, CATEGORY, CATEGOTY];

    /// Reads a query. The first fault is told, in the order of the statistics' parameters.
    ///
    /// # Errors
    /// The port is missing, a known parameter has a value that is not allowed, or is given twice.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        let port = parameters::required_port(query)?;
        let kind = parameters::kind(query)?;
        parameters::enterprise_projects(query)?;
        // What is known of a port is the same for every asset: the category is checked only.
        for category in [CATEGORY, CATEGOTY] {
            category.read_text(query)?;
        }
        Ok(Self { port, kind })
    }
}

/// The body of a 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommonPort {
    /// The port.
    pub port: u16,
    /// `TCP` or `UDP`, and `TCP6` or `UDP6` where the request asked for it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What the port table says.
    pub status: PortStatus,
    /// In Chinese, 1 to 256 characters.
    pub description: String,
    /// In English, 1 to 256 characters.
    pub description_en: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<CommonPortQuery, String> {
        CommonPortQuery::read(&Query::decode(raw).unwrap()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn both_spellings_and_both_kinds_of_values_of_the_category_are_taken() {
        let query = CommonPortQuery {
            port: 22,
            kind: None,
        };
        for category in ["host", "container", "0", "1"] {
            for name in ["category", "categoty"] {
                assert_eq!(
                    read(&format!("port=22&{name}={category}")),
                    Ok(query),
                    "{name}={category}"
                );
            }
        }
        for (raw, fault) in [
            (
                "port=22&category=2",
                "category must be host, container, 0 or 1, got 2",
            ),
            (
                "port=22&categoty=Host",
                "categoty must be host, container, 0 or 1, got Host",
            ),
            (
                "port=22&categoty=",
                "categoty must be host, container, 0 or 1, got nothing",
            ),
            (
                "port=22&categoty=0&categoty=0",
                "categoty must be given once, got it twice",
            ),
        ] {
            assert_eq!(read(raw).unwrap_err(), fault);
        }
    }

    #[test]
    fn the_port_is_required_and_comes_first() {
        for raw in ["", "type=SCTP&category=x"] {
            assert_eq!(
                read(raw).unwrap_err(),
                "port must be 1 to 65535, got nothing"
            );
        }
        assert_eq!(
            read("port=0").unwrap_err(),
            "port must be 1 to 65535, got 0"
        );
        let fault = read("category=x&type=SCTP&port=1").unwrap_err();
        assert_eq!(fault, "type must be TCP, UDP, TCP6 or UDP6, got SCTP");
    }
}
