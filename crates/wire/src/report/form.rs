//! The table of a report's fields, which explains a fault of any of them.
//!
//! It repeats the names and not the limits, which come from the readers that the shapes use.
//! Holds: the fields of every shape have a row, and no other field has one.

use super::read::{Flag, Object};
use super::rule::{Form, Row};
use super::shape::{
    Addresses, AgentId, AgentShape, Count, CoverageShape, HostShape, Interval, LongName, Name,
    Namespace, OpenPortShape, OpenPorts, Pair, Pid, Port, PublishedList, PublishedShape,
    ReportShape, TransientShape, Transients,
};
use super::text::{
    Address, AddressAsText, EnterpriseProjectText, HostIdText, Moment, TransportText,
};

/// Every field of a report.
pub(crate) const REPORT: Form = Form {
    list: "reports",
    host_id: &["host", "host_id"],
    rows: &[
        Row::required::<Object<ReportShape>>(""),
        Row::required::<Object<HostShape>>("host"),
        Row::required::<HostIdText>("host.host_id"),
        Row::optional::<Name>("host.host_name"),
        Row::optional::<Name>("host.host_ip"),
        Row::optional::<Addresses>("host.host_ips"),
        Row::optional::<AddressAsText>("host.host_ips[]"),
        Row::optional::<AgentId>("host.agent_id"),
        Row::optional::<EnterpriseProjectText>("host.enterprise_project_id"),
        Row::optional::<Name>("host.os_type"),
        Row::optional::<Name>("host.os_name"),
        Row::optional::<Name>("host.kernel_version"),
        Row::required::<Pair>("generation"),
        Row::required::<Pair>("sequence"),
        Row::required::<Moment>("observed_at"),
        Row::optional::<Interval>("heartbeat_interval_s"),
        Row::optional::<Object<AgentShape>>("agent"),
        Row::optional::<Name>("agent.version"),
        Row::optional::<Name>("agent.mode"),
        Row::optional::<Count>("agent.cpu_ms"),
        Row::optional::<Count>("agent.rss_bytes"),
        Row::optional::<Count>("agent.ephemeral_udp"),
        Row::required::<Object<CoverageShape>>("coverage"),
        Row::required::<Flag>("coverage.privileged"),
        Row::optional::<Count>("coverage.namespaces"),
        Row::optional::<Count>("coverage.namespaces_skipped"),
        Row::optional::<Count>("coverage.sockets_unattributed"),
        Row::optional::<Count>("coverage.events_lost"),
        Row::required::<OpenPorts>("open_ports"),
        Row::optional::<Object<OpenPortShape>>("open_ports[]"),
        Row::required::<TransportText>("open_ports[].type"),
        Row::required::<Address>("open_ports[].laddr"),
        Row::required::<Port>("open_ports[].port"),
        Row::optional::<Namespace>("open_ports[].netns"),
        Row::optional::<Flag>("open_ports[].v6only"),
        Row::optional::<Pid>("open_ports[].pid"),
        Row::optional::<LongName>("open_ports[].path"),
        Row::optional::<Name>("open_ports[].user"),
        Row::optional::<Name>("open_ports[].unit"),
        Row::optional::<Name>("open_ports[].ifname"),
        Row::optional::<Name>("open_ports[].cmdline"),
        Row::optional::<Moment>("open_ports[].started_at"),
        Row::optional::<Flag>("open_ports[].deleted"),
        Row::optional::<Namespace>("open_ports[].container_id"),
        Row::optional::<LongName>("open_ports[].container_name"),
        Row::optional::<Name>("open_ports[].container_image"),
        Row::optional::<Name>("open_ports[].pod_name"),
        Row::optional::<Name>("open_ports[].pod_namespace"),
        Row::optional::<PublishedList>("open_ports[].published"),
        Row::optional::<Object<PublishedShape>>("open_ports[].published[]"),
        Row::required::<Address>("open_ports[].published[].addr"),
        Row::required::<Port>("open_ports[].published[].port"),
        Row::optional::<Transients>("transients"),
        Row::optional::<Object<TransientShape>>("transients[]"),
        Row::required::<TransportText>("transients[].type"),
        Row::required::<Address>("transients[].laddr"),
        Row::required::<Port>("transients[].port"),
        Row::optional::<Namespace>("transients[].netns"),
        Row::optional::<Pid>("transients[].pid"),
        Row::optional::<LongName>("transients[].path"),
        Row::optional::<Namespace>("transients[].container_id"),
        Row::optional::<LongName>("transients[].container_name"),
        Row::optional::<Moment>("transients[].opened_at"),
        Row::optional::<Moment>("transients[].closed_at"),
        Row::optional::<Count>("transients_lost"),
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::de::value::Error;
    use serde::de::{Deserializer, Error as _, Visitor};
    use serde::forward_to_deserialize_any;

    use super::*;
    use crate::report::read::Shape;

    /// Answers the question for an object with the names of the fields that were asked for.
    struct NamesOf;

    impl<'de> Deserializer<'de> for NamesOf {
        type Error = Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            fields: &'static [&'static str],
            _visitor: V,
        ) -> Result<V::Value, Error> {
            Err(Error::custom(fields.join(" ")))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
            Err(Error::custom("no struct was asked for"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn assert_rows<S: Shape>(path: &str) {
        let Err(names) = S::fields(NamesOf) else {
            panic!("{path} was read from nothing")
        };
        let names = names.to_string();
        let shape: BTreeSet<_> = names.split(' ').collect();
        let rows: BTreeSet<_> = REPORT.fields(path).map(|(name, _)| name).collect();
        assert_eq!(shape, rows, "{path}");
    }

    #[test]
    fn the_table_has_the_fields_of_every_shape_and_no_other() {
        assert_rows::<ReportShape>("");
        assert_rows::<HostShape>("host");
        assert_rows::<AgentShape>("agent");
        assert_rows::<CoverageShape>("coverage");
        assert_rows::<OpenPortShape>("open_ports[]");
        assert_rows::<PublishedShape>("open_ports[].published[]");
        assert_rows::<TransientShape>("transients[]");
    }

    #[test]
    fn every_row_belongs_to_an_object_or_a_list_that_has_a_row() {
        for row in REPORT.rows.iter().filter(|row| !row.path.is_empty()) {
            let parent = match row.path.strip_suffix("[]") {
                Some(list) => list,
                None => row.path.rsplit_once('.').map_or("", |(parent, _)| parent),
            };
            assert!(REPORT.row(parent).is_some(), "{}", row.path);
        }
    }
}
