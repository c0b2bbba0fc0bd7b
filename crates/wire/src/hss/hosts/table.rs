//! The filters of the call, each with what is allowed.

use super::HostField;
use crate::caps;
use crate::query::Parameter;

const fn text(name: &'static str) -> Parameter {
    Parameter::text(name, 1, caps::PARAMETER_CHARS_MAX)
}

const fn list(name: &'static str) -> Parameter {
    Parameter::list(name, caps::LISTED_VALUES_MAX, caps::LISTED_CHARS_MAX)
}

const fn flag(name: &'static str) -> Parameter {
    Parameter::one_of(name, &["true", "false"])
}

pub(super) const OS_TYPE: Parameter = Parameter::one_of("os_type", &["Linux", "Windows"]);

/// What selects by one value of a field.
pub(super) const FIELDS: &[(Parameter, HostField)] = &[
    (text("host_name"), HostField::Name),
    (text("host_id"), HostField::Id),
    (text("private_ip"), HostField::PrivateIp),
    (text("public_ip"), HostField::PublicIp),
    (text("ip_addr"), HostField::AnyIp),
    (OS_TYPE, HostField::OsType),
];

/// What selects by any of several values.
pub(super) const LISTS: &[(Parameter, HostField)] = &[
    (list("host_name_list"), HostField::Name),
    (list("host_id_list"), HostField::Id),
    (list("public_ip_list"), HostField::PublicIp),
    (list("private_ip_list"), HostField::PrivateIp),
];

pub(super) const AGENT_STATUS: Parameter = Parameter::one_of(
    "agent_status",
    &[
        "installed",
        "not_installed",
        "online",
        "offline",
        "install_failed",
        "installing",
        "not_online",
    ],
);
pub(super) const HOST_STATUS: Parameter =
    Parameter::one_of("host_status", &["ACTIVE", "SHUTOFF", "BUILDING", "ERROR"]);
pub(super) const SORT_KEY: Parameter = Parameter::one_of("sort_key", &["risk_num"]);

const VERSION: Parameter = Parameter::one_of(
    "version",
    &[
        "hss.version.null",
        "hss.version.basic",
        "hss.version.advanced",
        "hss.version.enterprise",
        "hss.version.premium",
        "hss.version.wtp",
        "hss.version.container.enterprise",
    ],
);
const DETECT_RESULT: Parameter = Parameter::one_of(
    "detect_result",
    &["undetected", "clean", "risk", "scanning"],
);
const PROTECT_STATUS: Parameter = Parameter::one_of(
    "protect_status",
    &["closed", "opened", "protection_exception"],
);
const CHARGING_MODE: Parameter = Parameter::one_of("charging_mode", &["packet_cycle", "on_demand"]);
const ASSET_VALUE: Parameter = Parameter::one_of("asset_value", &["important", "common", "test"]);

/// What is the same for every host here: the parameter, and the value, if hosts have one at all.
pub(super) const SAME: &[(Parameter, Option<&str>)] = &[
    (VERSION, Some("hss.version.null")),
    (DETECT_RESULT, Some("undetected")),
    (PROTECT_STATUS, Some("closed")),
    (ASSET_VALUE, Some("common")),
    (CHARGING_MODE, None),
    (flag("outside_host"), Some("true")),
    (flag("has_intrusion"), Some("false")),
    (flag("has_vul"), Some("false")),
    (flag("has_baseline"), Some("false")),
    (flag("agent_upgradable"), Some("false")),
    (flag("binding_key"), Some("false")),
    (flag("protect_interrupt"), Some("false")),
    (flag("incluster"), Some("false")),
    (flag("protect_degradation"), Some("false")),
    (text("group_id"), None),
    (text("group_name"), None),
    (text("vpc_id"), None),
    (text("policy_group_id"), None),
    (text("policy_group_name"), None),
    (text("label"), None),
    (text("server_group"), None),
    (text("cluster_id"), None),
];

/// What changes how the cloud's service looks, and selects nothing.
pub(super) const WITHOUT_EFFECT: &[Parameter] = &[
    flag("refresh"),
    flag("get_common_login_locations"),
    flag("above_version"),
    flag("install_mode"),
];
