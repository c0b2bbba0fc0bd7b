//! The filters of the call, each with what is allowed.

use std::ops::RangeInclusive;

use super::HostField;
use crate::caps;
use crate::query::Parameter;

/// The form of a filter's value.
#[derive(Clone, Copy)]
pub(super) enum Form {
    One,
    List,
}

const fn parameter(name: &'static str, allowed: &'static str) -> Parameter {
    Parameter { name, allowed }
}

/// The characters of a text.
pub(super) const TEXT: RangeInclusive<usize> = 1..=caps::PARAMETER_CHARS_MAX;
const CHARS: &str = "1 to 256 characters";
const LIST: &str = "1 to 100 values of 1 to 128 characters, with commas between";
const FLAG: &str = "true or false";

/// What selects by a field.
pub(super) const FIELDS: &[(Parameter, HostField, Form)] = &[
    (parameter("host_name", CHARS), HostField::Name, Form::One),
    (parameter("host_id", CHARS), HostField::Id, Form::One),
    (
        parameter("private_ip", CHARS),
        HostField::PrivateIp,
        Form::One,
    ),
    (
        parameter("public_ip", CHARS),
        HostField::PublicIp,
        Form::One,
    ),
    (parameter("ip_addr", CHARS), HostField::AnyIp, Form::One),
    (
        parameter("host_name_list", LIST),
        HostField::Name,
        Form::List,
    ),
    (parameter("host_id_list", LIST), HostField::Id, Form::List),
    (
        parameter("public_ip_list", LIST),
        HostField::PublicIp,
        Form::List,
    ),
    (
        parameter("private_ip_list", LIST),
        HostField::PrivateIp,
        Form::List,
    ),
];

pub(super) const OS_TYPE: Parameter = parameter("os_type", "Linux or Windows");
pub(super) const AGENT_STATUS: Parameter = parameter(
    "agent_status",
    "installed, not_installed, online, offline, install_failed, installing or not_online",
);
pub(super) const HOST_STATUS: Parameter =
    parameter("host_status", "ACTIVE, SHUTOFF, BUILDING or ERROR");
pub(super) const SORT_KEY: Parameter = parameter("sort_key", "risk_num");

/// What has one value at every host here: the parameter, the values that the contract knows, and the
/// one that hosts have, if they have any.
pub(super) const SAME: &[(Parameter, &[&str], Option<&str>)] = &[
    (
        parameter("version", "one of the editions, as hss.version.null"),
        &[
            "hss.version.null",
            "hss.version.basic",
            "hss.version.advanced",
            "hss.version.enterprise",
            "hss.version.premium",
            "hss.version.wtp",
            "hss.version.container.enterprise",
        ],
        Some("hss.version.null"),
    ),
    (
        parameter("detect_result", "undetected, clean, risk or scanning"),
        &["undetected", "clean", "risk", "scanning"],
        Some("undetected"),
    ),
    (
        parameter("protect_status", "closed, opened or protection_exception"),
        &["closed", "opened", "protection_exception"],
        Some("closed"),
    ),
    (
        parameter("charging_mode", "packet_cycle or on_demand"),
        &["packet_cycle", "on_demand"],
        None,
    ),
    (
        parameter("asset_value", "important, common or test"),
        &["important", "common", "test"],
        Some("common"),
    ),
    (
        parameter("has_intrusion", FLAG),
        &["true", "false"],
        Some("false"),
    ),
    (
        parameter("has_vul", FLAG),
        &["true", "false"],
        Some("false"),
    ),
    (
        parameter("has_baseline", FLAG),
        &["true", "false"],
        Some("false"),
    ),
    (
        parameter("outside_host", FLAG),
        &["true", "false"],
        Some("true"),
    ),
    (
        parameter("agent_upgradable", FLAG),
        &["true", "false"],
        Some("false"),
    ),
    (
        parameter("binding_key", FLAG),
        &["true", "false"],
        Some("false"),
    ),
    (
        parameter("protect_interrupt", FLAG),
        &["true", "false"],
        Some("false"),
    ),
    (
        parameter("incluster", FLAG),
        &["true", "false"],
        Some("false"),
    ),
    (
        parameter("protect_degradation", FLAG),
        &["true", "false"],
        Some("false"),
    ),
];

/// What no host here has at all.
pub(super) const ABSENT: &[Parameter] = &[
    parameter("group_id", CHARS),
    parameter("group_name", CHARS),
    parameter("vpc_id", CHARS),
    parameter("policy_group_id", CHARS),
    parameter("policy_group_name", CHARS),
    parameter("label", CHARS),
    parameter("server_group", CHARS),
    parameter("cluster_id", CHARS),
];

/// What changes how the cloud's service looks, and selects nothing.
pub(super) const WITHOUT_EFFECT: &[Parameter] = &[
    parameter("refresh", FLAG),
    parameter("get_common_login_locations", FLAG),
    parameter("above_version", FLAG),
    parameter("install_mode", FLAG),
];
