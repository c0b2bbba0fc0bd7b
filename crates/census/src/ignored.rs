//! What an operator chose to ignore of one host, and which of it counts now.
//!
//! A choice names an asset's (port, transport), whether or not that is open: it outlives the port,
//! the report and the process. What it does is only this: a row that the port table calls danger is
//! normal where every asset that it counts has chosen so. Of choices about other rows nothing is
//! counted, so scopes hold few numbers: no more than the table has rows of danger.
//! Holds: the counted cells are those of the set that the host's facts were made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::open_port::Transport;

use crate::cells::{Cells, Counted};
use crate::knowledge;
use crate::listing::sum;
use crate::number::RowKey;
use crate::scope::List;

/// One asset's (port, transport) that is ignored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice {
    /// The container within its host, as it counts; `None` for the host itself (category host).
    pub container_asset: Option<Arc<str>>,
    /// The port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
}

/// The choices of one host. Most have none, which takes one word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored(Option<Arc<Chosen>>);

#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    /// Ascending, each once.
    choices: Box<[Choice]>,
    /// The danger among what is open and ignored, as often as its assets count.
    cells: Cells,
}

impl Ignored {
    /// The choices of a host that has these open ports.
    pub fn of<'a>(
        choices: impl IntoIterator<Item = Choice>,
        ports: impl IntoIterator<Item = Counted<'a>>,
    ) -> Self {
        let mut choices: Vec<Choice> = choices.into_iter().collect();
        choices.sort_unstable();
        choices.dedup();
        if choices.is_empty() {
            return Self::default();
        }
        let counts = |port: &Counted<'_>| {
            knowledge::status(port.port, port.transport) == PortStatus::Danger
                && holds(&choices, port.container_asset, port.port, port.transport)
        };
        let cells = Cells::of(ports.into_iter().filter(counts));
        Self(Some(Arc::new(Chosen {
            choices: choices.into(),
            cells,
        })))
    }

    /// The choices, ascending.
    pub fn choices(&self) -> &[Choice] {
        self.0.as_ref().map_or(&[], |chosen| &chosen.choices)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether an asset's (port, transport) is ignored.
    pub fn holds(&self, container_asset: Option<&str>, port: u16, transport: Transport) -> bool {
        holds(self.choices(), container_asset, port, transport)
    }

    /// What of it counts now: the danger that is open.
    pub fn cells(&self) -> Cells {
        self.0
            .as_ref()
            .map_or_else(Cells::default, |chosen| chosen.cells.clone())
    }
}

fn holds(choices: &[Choice], asset: Option<&str>, port: u16, transport: Transport) -> bool {
    let place = choices.binary_search_by(|choice| {
        (
            choice.container_asset.as_deref(),
            choice.port,
            choice.transport,
        )
            .cmp(&(asset, port, transport))
    });
    place.is_ok()
}

/// The rows of some lists together that are danger by the table, and all of whose assets ignore it.
#[derive(Debug, Default)]
pub(crate) struct AllIgnored(Vec<RowKey>);

impl AllIgnored {
    pub(crate) fn of(lists: &[&List]) -> Self {
        let mut ignored = BTreeMap::<RowKey, u64>::new();
        for (&key, &num) in lists.iter().flat_map(|list| list.ignored.iter()) {
            *ignored.entry(key).or_default() += u64::from(num);
        }
        let rows = ignored.into_iter();
        Self(
            rows.filter(|(key, num)| sum(lists, *key) == *num)
                .map(|(key, _)| key)
                .collect(),
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The status of a row of those lists.
    pub(crate) fn status(&self, key: RowKey) -> PortStatus {
        match knowledge::status(key.port(), key.transport()) {
            PortStatus::Danger if self.0.binary_search(&key).is_ok() => PortStatus::Normal,
            status => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use portolan_wire::exposure::Exposure;

    use super::*;

    fn choice(container_asset: Option<&str>, port: u16) -> Choice {
        Choice {
            container_asset: container_asset.map(Into::into),
            port,
            transport: Transport::Tcp,
        }
    }

    fn open(container_asset: Option<&str>, port: u16) -> Counted<'_> {
        Counted {
            container_asset,
            v6: false,
            exposure: Exposure::Any,
            port,
            transport: Transport::Tcp,
        }
    }

    #[test]
    fn only_danger_that_is_open_on_the_asset_that_chose_it_counts() {
        let ports = [
            open(None, 6379),
            open(Some("a"), 6379),
            open(Some("b"), 6379),
            open(None, 22),
        ];
        let choices = [
            choice(Some("a"), 6379),
            choice(None, 22),
            choice(None, 3306),
            choice(Some("a"), 6379),
        ];
        let ignored = Ignored::of(choices, ports);
        assert_eq!(ignored.choices().len(), 3, "each once");
        assert_eq!(ignored.cells(), Cells::of([open(Some("a"), 6379)]));
        assert!(
            ignored.holds(None, 22, Transport::Tcp) && ignored.holds(None, 3306, Transport::Tcp)
        );
        for (asset, transport) in [
            (None, Transport::Tcp),
            (Some("a"), Transport::Udp),
            (Some("b"), Transport::Tcp),
        ] {
            assert!(
                !ignored.holds(asset, 6379, transport),
                "{asset:?} {transport:?}"
            );
        }
    }
}
