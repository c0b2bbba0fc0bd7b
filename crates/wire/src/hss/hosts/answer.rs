//! The answer: what Portolan knows of a host, and what is the same for every host.

use serde::Serialize;

/// The body of a 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hosts {
    /// The hosts that match, before paging.
    pub total_num: u64,
    /// The hosts of the page.
    pub data_list: Vec<HostRow>,
}

/// One host. What is not known of it is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostRow {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// Its id.
    pub host_id: String,
    /// The id of its agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The address it is known by if that is not public, else its first that is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_ip: Option<String>,
    /// The address it is known by if that is public, else its first that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_ip: Option<String>,
    /// The enterprise project it is in.
    pub enterprise_project_id: String,
    /// `Linux`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    /// The distribution and its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_name: Option<String>,
    /// The kernel's release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_version: Option<String>,
    /// `ACTIVE` where the host was heard lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_status: Option<&'static str>,
    /// `online` where the host was heard lately, else `offline`.
    pub agent_status: &'static str,
    /// The agent's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// `hss.version.null`: there are no editions here.
    pub version: &'static str,
    /// `closed`: nothing is protected, only charted.
    pub protect_status: &'static str,
    /// `undetected`.
    pub detect_result: &'static str,
    /// `common`.
    pub asset_value: &'static str,
    /// `true`: no host is one of the cloud's own.
    pub outside_host: bool,
    /// `outside`.
    pub host_sources: &'static str,
}
