//! Every call that needs a credential, and what it needs: one closed list, so that a new call does
//! not compile until somebody has said both.

/// A call, as routes and throttling tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    PortStatistics,
    HostPorts,
    PortHosts,
    TopPorts,
    CommonPortInfo,
    AssetStatistics,
    HssHosts,
    ModifyPortStatus,
    Reports,
    Heartbeats,
    Statistics,
    StatisticsDiff,
    Exposures,
    Hosts,
    Host,
    Assets,
    Export,
    Recount,
    Changes,
    ChangeStream,
    RemoveHost,
    CreateCredential,
    ListCredentials,
    RevokeCredential,
    OwnCredential,
    Identity,
    Enrol,
    RotateToken,
    ListEnrolments,
    ReleaseHost,
    Backup,
}

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The role reader or admin.
    Read,
    /// The role agent or admin.
    Report,
    /// The role enrol or admin.
    Enrol,
    /// The role admin.
    Administer,
    /// The role admin; also for `*`, as which credentials for every project are made and listed.
    AdministerCredentials,
    /// A credential; what else, the call checks itself.
    Any,
}

impl Api {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Backup as usize + 1;

    pub(crate) const fn need(self) -> Need {
        match self {
            Self::PortStatistics
            | Self::HostPorts
            | Self::PortHosts
            | Self::TopPorts
            | Self::CommonPortInfo
            | Self::AssetStatistics
            | Self::HssHosts
            | Self::Statistics
            | Self::StatisticsDiff
            | Self::Exposures
            | Self::Hosts
            | Self::Host
            | Self::Assets
            | Self::Export
            | Self::Recount
            | Self::Changes
            | Self::ChangeStream => Need::Read,
            Self::Reports | Self::Heartbeats => Need::Report,
            Self::Enrol => Need::Enrol,
            // That it is an enrolled host's, the call checks itself.
            Self::RotateToken => Need::Report,
            Self::RemoveHost
            | Self::ModifyPortStatus
            | Self::ListEnrolments
            | Self::ReleaseHost => Need::Administer,
            Self::CreateCredential | Self::ListCredentials | Self::RevokeCredential => {
                Need::AdministerCredentials
            }
            Self::OwnCredential | Self::Identity | Self::Backup => Need::Any,
        }
    }

    /// Whether its calls are throttled. What agents send is not: a fleet has one credential, and the
    /// committer's queue says when it is too much.
    pub(crate) const fn is_throttled(self) -> bool {
        !matches!(self, Self::Reports | Self::Heartbeats)
    }
}
