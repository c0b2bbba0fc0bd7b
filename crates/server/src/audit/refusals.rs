//! Refused credentials of one minute: the first ones are told one by one, the rest is counted.
//!
//! An attacker can so neither fill the disk nor hide the reason and the source of what came before.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portolan_wire::caps;
use portolan_wire::time::UnixMicros;

use crate::audit::Act;

/// What is counted together: the code, what was wrong, and the source.
type Key = (String, String, Option<IpAddr>);

#[derive(Debug, Default)]
pub(super) struct Refusals {
    minute: i64,
    told: u32,
    counted: BTreeMap<Key, u64>,
    /// Beyond the most sources that are counted apart.
    others: u64,
}

impl Refusals {
    /// Takes one in, and gives what is to be written now.
    pub(super) fn add(&mut self, refused: Act) -> Vec<Act> {
        let mut acts = self.roll(refused.at);
        if self.told < caps::AUDIT_REFUSALS_TOLD_MAX {
            self.told += 1;
            acts.push(refused);
        } else {
            self.count(
                refused.outcome,
                refused.detail,
                refused.source,
                refused.count,
            );
        }
        acts
    }

    /// Counts one that could not be written.
    pub(super) fn count_only(&mut self, refused: Act) {
        self.count(
            refused.outcome,
            refused.detail,
            refused.source,
            refused.count,
        );
    }

    fn count(&mut self, outcome: String, detail: String, source: Option<IpAddr>, by: u64) {
        let key = (outcome, detail, source);
        let room = self.counted.len() < caps::AUDIT_REFUSAL_SOURCES_MAX;
        match self.counted.get_mut(&key) {
            Some(count) => *count += by,
            None if room => {
                self.counted.insert(key, by);
            }
            None => self.others += by,
        }
    }

    /// What was only counted in a minute that is over.
    pub(super) fn roll(&mut self, now: UnixMicros) -> Vec<Act> {
        let minute = now.seconds().div_euclid(60);
        if minute == self.minute {
            return Vec::new();
        }
        let acts = self.take(now);
        self.minute = minute;
        self.told = 0;
        acts
    }

    /// What was only counted so far.
    pub(super) fn take(&mut self, now: UnixMicros) -> Vec<Act> {
        let counted = std::mem::take(&mut self.counted).into_iter();
        let mut acts: Vec<Act> = counted
            .map(|((outcome, detail, source), count)| act(now, outcome, detail, source, count))
            .collect();
        let others = std::mem::take(&mut self.others);
        if others > 0 {
            let detail = "of further sources".to_owned();
            acts.push(act(now, "refused".to_owned(), detail, None, others));
        }
        acts
    }
}

fn act(at: UnixMicros, outcome: String, detail: String, source: Option<IpAddr>, count: u64) -> Act {
    Act {
        at,
        actor: None,
        source,
        action: "credential.refused",
        target: String::new(),
        outcome,
        detail,
        count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(second: i64, source: u8) -> Act {
        let at = UnixMicros(second * 1_000_000);
        act(
            at,
            "APIGW.0301".into(),
            String::new(),
            Some([10, 0, 0, source].into()),
            1,
        )
    }

    #[test]
    fn an_attack_is_counted_whole_in_few_lines() {
        let mut refusals = Refusals::default();
        let mut written = Vec::new();
        for number in 0..100_000_u64 {
            written.extend(refusals.add(refused(600, (number % 200) as u8)));
        }
        assert_eq!(written.len(), caps::AUDIT_REFUSALS_TOLD_MAX as usize);
        assert_eq!(refusals.roll(UnixMicros(659_000_000)), []);
        written.extend(refusals.roll(UnixMicros(660_000_000)));
        let most = caps::AUDIT_REFUSALS_TOLD_MAX as usize + caps::AUDIT_REFUSAL_SOURCES_MAX + 1;
        assert_eq!(written.len(), most);
        assert_eq!(written.iter().map(|act| act.count).sum::<u64>(), 100_000);
        // The next minute begins anew.
        assert_eq!(refusals.add(refused(661, 7)), [refused(661, 7)]);
    }
}
