//! Finds nesting beyond a limit before anything parses the text.
//!
//! A scan of its own, because the JSON reader's limit is fixed and does not count what it skips.
//! Holds: brackets inside strings do not count; text that is no JSON gives some answer, never a panic.

/// The offset of the first bracket that opens a level deeper than `max`. The outermost object or
/// array is level 1.
pub(super) fn beyond(text: &[u8], max: usize) -> Option<usize> {
    let mut level = 0_usize;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => {
                level += 1;
                if level > max {
                    return Some(at);
                }
            }
            b'}' | b']' => level = level.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn skip_string<'a>(bytes: &mut impl Iterator<Item = (usize, &'a u8)>) {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}
