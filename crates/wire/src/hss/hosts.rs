//! `GET /v5/{project_id}/host-management/hosts`: its parameters and its answer.
//!
//! The call knows some forty filters, most of them about what only the cloud's own service has:
//! protection, charges, groups, vulnerabilities. Each is checked, and selects by what is true of
//! every host here: one that asks for another value selects no host, instead of being passed over.

mod answer;
mod table;

pub use answer::{HostRow, Hosts};
use table::{
    ABSENT, AGENT_STATUS, FIELDS, Form, HOST_STATUS, OS_TYPE, SAME, SORT_KEY, TEXT, WITHOUT_EFFECT,
};

use crate::caps;
use crate::hss::parameters::{self, PageRange};
use crate::query::{ParameterFault, Query};

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
        for (parameter, field, form) in FIELDS {
            let values = match form {
                Form::One => parameter.text(query, TEXT)?.map(|value| vec![value]),
                Form::List => parameter.read(query, list)?,
            };
            asked.filter(*field, values);
        }
        let os_type = OS_TYPE.read(query, |t| {
            matches!(t, "Linux" | "Windows").then(|| t.to_owned())
        })?;
        asked.filter(HostField::OsType, os_type.map(|value| vec![value]));
        asked.read_states(query)?;
        asked.read_constants(query)?;
        // Every host has the same risk here, so no order by it changes another.
        SORT_KEY.read(query, |t| (t == "risk_num").then_some(()))?;
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

    fn read_constants(&mut self, query: &Query<'_>) -> Result<(), ParameterFault> {
        for (parameter, allowed, has) in SAME {
            let asked = parameter.read(query, |text| {
                allowed.contains(&text).then(|| *has == Some(text))
            })?;
            self.none |= asked == Some(false);
        }
        for parameter in ABSENT {
            self.none |= parameter.text(query, TEXT)?.is_some();
        }
        for parameter in WITHOUT_EFFECT {
            parameter.read(query, |t| matches!(t, "true" | "false").then_some(()))?;
        }
        Ok(())
    }
}

fn list(text: &str) -> Option<Vec<String>> {
    let values: Vec<String> = text.split(',').map(str::to_owned).collect();
    let fits = |value: &String| (1..=caps::LISTED_CHARS_MAX).contains(&value.chars().count());
    (values.len() <= caps::LISTED_VALUES_MAX && values.iter().all(fits)).then_some(values)
}
