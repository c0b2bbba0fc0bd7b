//! The hosts of one enterprise project, or of the whole project.

use std::sync::Arc;

use crate::liveness::HostCounts;
use crate::slots::Slots;

/// A group of hosts; none is empty but the whole of a project without hosts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) hosts: Slots,
    pub(crate) counts: Arc<HostCounts>,
}
