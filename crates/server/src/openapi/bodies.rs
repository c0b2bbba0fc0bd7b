//! Bodies that are read field by field, to name a faulty one, or have no type: their schemas.
#![expect(dead_code, reason = "only the schemas of these types are used")]

use utoipa::ToSchema;

/// What the caller chooses for ports of assets.
#[derive(ToSchema)]
pub(super) struct PortStatusRequest {
    /// `ignore` or `not_ignore`.
    operate_type: String,
    data_list: Vec<PortStatusItem>,
}

/// One asset's port.
#[derive(ToSchema)]
pub(super) struct PortStatusItem {
    /// The agent: names the host where `host_id` does not.
    #[schema(max_length = 64)]
    agent_id: Option<String>,
    host_id: Option<String>,
    /// In category container the container, or its netns where there is none.
    container_id: Option<String>,
    port: u16,
    port_type: String,
}

/// An answer that says nothing more.
#[derive(ToSchema)]
pub(super) struct Nothing {}
