//! The parameters of the calls about changes: which changes are wanted.

use crate::caps;
use crate::exposure::Exposure;
use crate::hss::parameters::{CATEGORY, ENTERPRISE_PROJECT_ID, KindFilter, PORT, TYPE, kind, port};
use crate::open_port::Category;
use crate::query::{Parameter, ParameterFault, Query};
use crate::time::UnixMicros;

/// `since`: changes from that moment on.
pub const SINCE: Parameter = Parameter::moment("since");
/// `until`: changes before that moment.
pub const UNTIL: Parameter = Parameter::moment("until");
/// `host_id`.
pub const HOST_ID: Parameter = Parameter::text("host_id", 1, caps::ASKED_HOST_ID_CHARS_MAX);
/// `kind`.
pub const KIND: Parameter = Parameter::some_of("kind", KINDS);
/// `exposure`.
pub const EXPOSURE: Parameter = Parameter::some_of("exposure", Exposure::NAMES);
/// `damped`.
pub const DAMPED: Parameter = Parameter::one_of("damped", &["true", "false"]);
/// `after` of a stream.
pub const AFTER: Parameter = Parameter::change_id("after");

/// What a change can be.
pub const KINDS: &[&str] = &[
    "opened",
    "closed",
    "owner_changed",
    "transient",
    "baseline",
    "moved",
    "retired",
    "returned",
];

/// Which changes a call is about, beside their enterprise projects. What is absent selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangesQuery {
    /// From that moment on.
    pub since: Option<UnixMicros>,
    /// Before that moment.
    pub until: Option<UnixMicros>,
    /// Of one host.
    pub host_id: Option<String>,
    /// Of one port.
    pub port: Option<u16>,
    /// Of one transport, perhaps of IPv6 sockets only.
    pub kind: Option<KindFilter>,
    /// Of some [kinds](KINDS).
    pub kinds: Option<Vec<&'static str>>,
    /// Of some exposures.
    pub exposures: Option<Vec<&'static str>>,
    /// Of hosts' own ports, or of containers'.
    pub category: Option<Category>,
    /// Whether one stands for many of a port that flaps.
    pub damped: bool,
}

impl ChangesQuery {
    /// What the page and the stream know, in the order in which their faults are told.
    pub const PARAMETERS: &[Parameter] = &[
        SINCE,
        UNTIL,
        HOST_ID,
        PORT,
        TYPE,
        KIND,
        EXPOSURE,
        CATEGORY,
        ENTERPRISE_PROJECT_ID,
        DAMPED,
    ];

    /// Reads the parameters.
    ///
    /// # Errors
    /// The first fault in their order.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        Ok(Self {
            since: SINCE.read_moment(query)?,
            until: UNTIL.read_moment(query)?,
            host_id: HOST_ID.read_text(query)?,
            port: port(query)?,
            kind: kind(query)?,
            kinds: KIND.read_some(query)?,
            exposures: EXPOSURE.read_some(query)?,
            category: CATEGORY.read(query, |text| match text {
                "host" => Some(Category::Host),
                "container" => Some(Category::Container),
                _ => None,
            })?,
            damped: DAMPED
                .read(query, |text| text.parse().ok())?
                .unwrap_or(false),
        })
    }
}
