//! `[history]`: how much of the history is kept.

use portolan_server::Retention;
use portolan_wire::caps;
use serde::Deserialize;

use crate::periods;

const DAY_S: u32 = 86_400;

/// `[history]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HistoryTable {
    /// For how many days, such as `90d`: at least `1d`. Default: 90 days.
    pub(crate) retention: Option<String>,
    /// In how many bytes on disk: beyond them the oldest days go, but never the newest. Default:
    /// 64 GiB.
    pub(crate) bytes_max: Option<u64>,
}

impl HistoryTable {
    /// What the server is told of it, where nothing of it is a mistake.
    pub(crate) fn read(&self, mistakes: &mut Vec<String>) -> Retention {
        let default = Retention::default();
        let days = self.retention.as_deref().map(|text| {
            let days = whole_days(text);
            days.ok_or_else(|| {
                format!(
                    "history.retention must be 1d to {}d, in whole days, got {text}",
                    caps::HISTORY_DAYS_MAX
                )
            })
        });
        Retention {
            days: days.transpose().map_or_else(
                |mistake| {
                    mistakes.push(mistake);
                    default.days
                },
                |days| days.unwrap_or(default.days),
            ),
            bytes_max: self.bytes_max.unwrap_or(default.bytes_max),
        }
    }
}

fn whole_days(text: &str) -> Option<u32> {
    let seconds = periods::seconds(text).filter(|seconds| seconds.is_multiple_of(DAY_S))?;
    let days = seconds / DAY_S;
    (1..=caps::HISTORY_DAYS_MAX).contains(&days).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(retention: Option<&str>) -> Result<u32, String> {
        let mut mistakes = Vec::new();
        let table = HistoryTable {
            retention: retention.map(Into::into),
            bytes_max: None,
        };
        let read = table.read(&mut mistakes);
        mistakes.pop().map_or(Ok(read.days), Err)
    }

    #[test]
    fn history_is_kept_for_whole_days_and_ninety_unless_told() {
        assert_eq!(read(None), Ok(90));
        for (text, days) in [("1d", 1), ("48h", 2), ("3653d", 3_653)] {
            assert_eq!(read(Some(text)), Ok(days), "{text}");
        }
        for wrong in ["0d", "12h", "36h", "3654d", "90", "never"] {
            let expected =
                format!("history.retention must be 1d to 3653d, in whole days, got {wrong}");
            assert_eq!(read(Some(wrong)), Err(expected));
        }
    }
}
