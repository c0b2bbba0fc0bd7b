//! The two calls that sum up: `GET /v5/{project_id}/asset/overview/statistics/top/port` and
//! `GET /v5/{project_id}/asset/statistics`.

use serde::Serialize;

use crate::caps;
use crate::hss::parameters::{self, CATEGORY, ENTERPRISE_PROJECT_ID};
use crate::open_port::Category;
use crate::query::{Parameter, ParameterFault, Query};

/// The body of a 200 of `asset/overview/statistics/top/port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopPorts {
    /// The rows: 5 at most.
    pub total_num: u64,
    /// The ports that are open on the most hosts.
    pub data_list: Vec<TopPortRow>,
}

/// One port number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopPortRow {
    /// The port, as text.
    pub name: String,
    /// Hosts on which it is open, by TCP, UDP or both.
    pub host_num: u64,
    /// Their share of all hosts of the scope, in whole percent, rounded down.
    pub percentage: u64,
}

/// A parsed query of `asset/statistics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetStatisticsQuery {
    /// Only this host.
    pub host_id: Option<String>,
    /// Which assets count.
    pub category: Category,
}

const HOST_ID: Parameter = Parameter::text("host_id", 1, caps::ASKED_HOST_ID_CHARS_MAX);

/// The parameters of `asset/overview/statistics/top/port`.
pub const TOP_PORTS_PARAMETERS: &[Parameter] = &[ENTERPRISE_PROJECT_ID];

impl AssetStatisticsQuery {
    /// The parameters.
    pub const PARAMETERS: &[Parameter] = &[ENTERPRISE_PROJECT_ID, HOST_ID, CATEGORY];

    /// Reads a query.
    ///
    /// # Errors
    /// A known parameter has a value that is not allowed, or is given twice.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        parameters::enterprise_projects(query)?;
        let host_id = HOST_ID.read_text(query)?;
        Ok(Self {
            host_id,
            category: parameters::category(query)?,
        })
    }
}

/// The body of a 200 of `asset/statistics`. Portolan charts ports and nothing else: every other
/// number is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AssetStatistics {
    /// 0.
    pub account_num: u64,
    /// Open ports of the scope: what `total_num` of the port statistics is for the same filter.
    pub port_num: u64,
    /// 0.
    pub process_num: u64,
    /// 0.
    pub app_num: u64,
    /// 0.
    pub auto_launch_num: u64,
    /// 0.
    pub web_framework_num: u64,
    /// 0.
    pub web_site_num: u64,
    /// 0.
    pub jar_package_num: u64,
    /// 0.
    pub kernel_module_num: u64,
    /// 0.
    pub web_service_num: u64,
    /// 0.
    pub web_app_num: u64,
    /// 0.
    pub database_num: u64,
}
