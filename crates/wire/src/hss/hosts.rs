//! `GET /v5/{project_id}/host-management/hosts`: its parameters and its answer.
//!
//! The call knows some forty filters, most of them about what only the cloud's own service has:
//! protection, charges, groups, vulnerabilities. Each is checked, and selects by what is true of
//! every host here: one that asks for another value selects no host, instead of being passed over.

mod answer;
mod table;

pub use answer::{HostRow, Hosts};
use table::{AGENT_STATUS, FIELDS, HOST_STATUS, LISTS, SAME, SORT_KEY, WITHOUT_EFFECT};

use crate::hss::parameters::{self, ENTERPRISE_PROJECT_ID, LIMIT, OFFSET, PageRange, SORT_DIR};
use crate::query::{Parameter, ParameterFault, Query};

/// A parsed query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsQuery {
    /// Only hosts for which each of these holds.
    pub filters: Vec<HostFilter>,
    /// Only hosts whose agent is in this state.
    pub agent: Option<AgentFilter>,
    /// Whether a filter asks for what is true of no host here.
    pub none: bool,
    /// Which page.
    pub range: PageRange,
}

/// One filter: the field has one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFilter {
    /// The field.
    pub field: HostField,
    /// The values, each equal to the whole field.
    pub any_of: Vec<String>,
}

/// What a host can be selected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostField {
    /// `host_id`.
    Id,
    /// `host_name`.
    Name,
    /// One of its addresses that are not public.
    PrivateIp,
    /// One of its public addresses.
    PublicIp,
    /// Any of its addresses.
    AnyIp,
    /// `os_type`.
    OsType,
}

/// Whether a host's agent was heard lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentFilter {
    /// The host is fresh.
    Online,
    /// The host is stale.
    Offline,
}

impl HostsQuery {
    /// The parameters.
    pub fn parameters() -> Vec<Parameter> {
        let fields = FIELDS.iter().chain(LISTS).map(|(parameter, _)| *parameter);
        let same = SAME.iter().map(|(parameter, _)| *parameter);
        [ENTERPRISE_PROJECT_ID, LIMIT, OFFSET]
            .into_iter()
            .chain(fields)
            .chain([AGENT_STATUS, HOST_STATUS])
            .chain(same)
            .chain(WITHOUT_EFFECT.iter().copied())
            .chain([SORT_KEY, SORT_DIR])
            .collect()
    }

    /// Reads a query.
    ///
    /// # Errors
    /// A known parameter has a value that is not allowed, or is given twice.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        parameters::enterprise_projects(query)?;
        let mut asked = Self {
            filters: Vec::new(),
            agent: None,
            none: false,
            range: PageRange::read(query)?,
        };
        for (parameter, field) in FIELDS {
            let value = parameter.read_text(query)?;
            asked.filter(*field, value.map(|value| vec![value]));
        }
        for (parameter, field) in LISTS {
            asked.filter(*field, parameter.read_list(query)?);
        }
        asked.read_states(query)?;
        for (parameter, has) in SAME {
            let asks = parameter.read_text(query)?;
            asked.none |= asks.is_some_and(|value| *has != Some(&*value));
        }
        for parameter in WITHOUT_EFFECT {
            parameter.read_text(query)?;
        }
        // Every host has the same risk here, so no order by it changes another.
        SORT_KEY.read_text(query)?;
        parameters::sort_dir(query)?;
        Ok(asked)
    }

    fn filter(&mut self, field: HostField, any_of: Option<Vec<String>>) {
        self.filters
            .extend(any_of.map(|any_of| HostFilter { field, any_of }));
    }

    fn read_states(&mut self, query: &Query<'_>) -> Result<(), ParameterFault> {
        // Outer: the value is allowed. Inner: which hosts it selects, none or all by it.
        let agent = AGENT_STATUS.read(query, |text| match text {
            "installed" => Some(Ok(None)),
            "online" => Some(Ok(Some(AgentFilter::Online))),
            "offline" | "not_online" => Some(Ok(Some(AgentFilter::Offline))),
            "not_installed" | "install_failed" | "installing" => Some(Err(())),
            _ => None,
        })?;
        match agent {
            Some(Ok(agent)) => self.agent = agent,
            Some(Err(())) => self.none = true,
            None => {}
        }
        let active = HOST_STATUS.read(query, |text| match text {
            "ACTIVE" => Some(true),
            "SHUTOFF" | "BUILDING" | "ERROR" => Some(false),
            _ => None,
        })?;
        match active {
            // Told of who was heard lately, and of nobody else.
            Some(true) => match self.agent {
                None => self.agent = Some(AgentFilter::Online),
                Some(AgentFilter::Online) => {}
                Some(AgentFilter::Offline) => self.none = true,
            },
            Some(false) => self.none = true,
            None => {}
        }
        Ok(())
    }
}
