//! The ids of changes, and the cursors of pages of them.

use portolan_store::history::Position;

/// Which log positions are of: another one after a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch(pub(crate) u64);

/// A text that names no position of this epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotHere {
    /// It is no id at all.
    NoId,
    /// It is of another epoch.
    OtherEpoch,
}

/// Where the next page goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Behind this change.
    pub(super) after: Option<Position>,
    /// Of damped changes: in this window, all earlier ones being told.
    pub(super) window: Option<Window>,
}

/// A window of damped changes that is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Its number since 1970.
    pub(super) number: i64,
    /// Whether it is shown as it is, since it has too many changes.
    pub(super) as_is: bool,
}

impl Epoch {
    /// The id of the change at a position.
    pub(super) fn id(self, position: Position) -> String {
        format!("{:016x}-{}-{}", self.0, position.commit, position.n)
    }

    /// The position of an id.
    pub(super) fn position(self, id: &str) -> Result<Position, NotHere> {
        let mut parts = id.split('-');
        let (Some(epoch), Some(commit), Some(n), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotHere::NoId);
        };
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if epoch.len() != 16 || !epoch.bytes().all(is_hex) {
            return Err(NotHere::NoId);
        }
        let (Some(commit), Some(n)) = (decimal(commit), decimal(n)) else {
            return Err(NotHere::NoId);
        };
        let n = u32::try_from(n).map_err(|_| NotHere::NoId)?;
        if u64::from_str_radix(epoch, 16) != Ok(self.0) {
            return Err(NotHere::OtherEpoch);
        }
        Ok(Position { commit, n })
    }

    /// The cursor as text.
    pub(super) fn cursor(self, cursor: Cursor) -> String {
        // No change is at commit 0: it stands for the beginning of the window.
        let after = cursor.after.unwrap_or(Position { commit: 0, n: 0 });
        let mut text = self.id(after);
        if let Some(window) = cursor.window {
            let form = if window.as_is { 'a' } else { 'w' };
            text.push_str(&format!("-{form}{}", window.number));
        }
        text
    }

    /// Reads a cursor of damped changes, or of changes as they are.
    pub(super) fn read_cursor(self, text: &str, damped: bool) -> Result<Cursor, NotHere> {
        let (id, window) = if damped {
            let (id, window) = text.rsplit_once('-').ok_or(NotHere::NoId)?;
            let (as_is, number) = match window.split_at_checked(1) {
                Some(("w", number)) => (false, number),
                Some(("a", number)) => (true, number),
                _ => return Err(NotHere::NoId),
            };
            let number = decimal(number).and_then(|number| i64::try_from(number).ok());
            let number = number.ok_or(NotHere::NoId)?;
            (id, Some(Window { number, as_is }))
        } else {
            (text, None)
        };
        let after = Some(self.position(id)?).filter(|after| after.commit > 0);
        if after.is_none() && window.is_none_or(|window| window.as_is) {
            return Err(NotHere::NoId);
        }
        Ok(Cursor { after, window })
    }
}

/// A plain decimal, in the one form that it is written in.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = plain && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch(0x00ab_0000_0000_0001);

    #[test]
    fn an_id_leads_back_to_its_position_and_nothing_else_does() {
        let position = Position { commit: 7, n: 3 };
        let id = EPOCH.id(position);
        assert_eq!(id, "00ab000000000001-7-3");
        assert_eq!(EPOCH.position(&id), Ok(position));
        assert_eq!(Epoch(2).position(&id), Err(NotHere::OtherEpoch));
        for bad in [
            "",
            "-",
            "00ab000000000001",
            "00ab000000000001-7",
            "00ab000000000001-7-3-w5",
            "00AB000000000001-7-3",
            "ab000000000001-7-3",
            "00ab000000000001-07-3",
            "00ab000000000001-+7-3",
            "00ab000000000001-7-4294967296",
            "00ab000000000001-18446744073709551616-0",
        ] {
            assert_eq!(EPOCH.position(bad), Err(NotHere::NoId), "{bad}");
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place_and_is_of_one_way_to_show_changes() {
        let after = Some(Position { commit: 7, n: 3 });
        let plain = Cursor {
            after,
            window: None,
        };
        let text = EPOCH.cursor(plain);
        assert_eq!(EPOCH.read_cursor(&text, false), Ok(plain));
        assert_eq!(EPOCH.read_cursor(&text, true), Err(NotHere::NoId));
        for (after, as_is) in [(after, false), (after, true), (None, false)] {
            let window = Some(Window { number: 5, as_is });
            let cursor = Cursor { after, window };
            let text = EPOCH.cursor(cursor);
            assert_eq!(EPOCH.read_cursor(&text, true), Ok(cursor), "{text}");
            assert_eq!(EPOCH.read_cursor(&text, false), Err(NotHere::NoId));
        }
        for bad in [
            "00ab000000000001-0-0",
            "00ab000000000001-0-0-a5",
            "00ab000000000001-1-0-x5",
        ] {
            assert_eq!(
                EPOCH.read_cursor(bad, bad.len() > 21),
                Err(NotHere::NoId),
                "{bad}"
            );
        }
    }
}
