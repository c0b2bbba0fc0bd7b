//! Text from others as a terminal or a log may show it: paths and names come from other people's
//! machines, and nothing in them may steer the terminal of whoever reads.

/// The text with every character escaped that is not [`is_harmless`].
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            visible.push(c);
        } else {
            visible.extend(c.escape_default());
        }
    }
    visible
}

/// Whether a character is neither a control character nor one that is invisible, breaks the line
/// or turns the direction of what follows.
pub fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_escaped_and_the_rest_stays() {
        assert_eq!(visible("/usr/é中"), "/usr/é中");
        assert_eq!(
            visible("\u{1b}[31m\n\u{9b}\u{202e}\u{feff}"),
            "\\u{1b}[31m\\n\\u{9b}\\u{202e}\\u{feff}"
        );
    }
}
