//! Masks what is marked as a secret.
//!
//! The rules, each for an argument as a whole and, since shells and some programs put many words into
//! one argument, for the words in it:
//! * After an option that is called like a secret (see [`super::names`]) the next argument is masked;
//!   within an argument all that follows is.
//! * After `name=` or `name:` (a variable, a field, a header) the rest of the argument is, whatever
//!   stands before the name.
//! * `-pVALUE` and `-p VALUE`, unless it looks like a port; and other options of some programs (see
//!   [`super::programs`]).
//! * Of a URL what stands between `://` and the last `@` before a blank; without `://`, as in the names
//!   of data sources (`user:password@tcp(host)/db`), what stands between the first `:` of a word and its
//!   last `@`.

use super::names::is_secret;
use super::programs::{is_port, options};

const MASK: &str = "***";

/// Masks one argument after the other.
#[derive(Debug, Default)]
pub(super) struct Masker {
    /// Options of the programs that were named so far.
    options: Vec<&'static str>,
    /// What the next argument is.
    next: Next,
}

/// What the argument after an option is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Plain,
    Secret,
    /// A secret unless it is a port.
    PortOrSecret,
}

impl Next {
    fn hides(self, value: &str) -> bool {
        match self {
            Self::Plain => false,
            Self::Secret => true,
            Self::PortOrSecret => !is_port(value),
        }
    }
}

impl Masker {
    /// An argument as it is shown.
    pub(super) fn argument(&mut self, argument: &str) -> String {
        let next = std::mem::take(&mut self.next);
        if next.hides(argument) && !argument.is_empty() {
            // It may be an option itself, where the one before it had no value.
            self.next = self.after(argument);
            return MASK.to_owned();
        }
        let argument = without_userinfo(argument);
        let by_word = self.secret_in_words(&argument);
        let end = by_word.into_iter().chain(after_name(&argument)).min();
        match end.and_then(|end| argument.get(..end)) {
            Some(shown) => format!("{shown}{MASK}"),
            None => argument,
        }
    }

    /// Where in an argument a secret begins by what its words are. Notes what comes after it.
    fn secret_in_words(&mut self, argument: &str) -> Option<usize> {
        let mut next = Next::Plain;
        for (begin, word) in words(argument) {
            if next.hides(word) {
                return Some(begin);
            }
            next = self.after(word);
            if let Some(glued) = self.glued(word) {
                self.next = next;
                return Some(begin + glued);
            }
            self.options.extend(options(word));
            self.options.dedup();
        }
        self.next = next;
        None
    }

    /// What follows after a word.
    fn after(&self, word: &str) -> Next {
        let Some(name) = option_name(word) else {
            return Next::Plain;
        };
        if is_secret(name) || self.options.contains(&name) {
            Next::Secret
        } else if name == "p" {
            Next::PortOrSecret
        } else {
            Next::Plain
        }
    }

    /// How many bytes of `-pVALUE` stand before the value.
    fn glued(&self, word: &str) -> Option<usize> {
        let rest = word
            .strip_prefix('-')
            .filter(|rest| !rest.starts_with('-'))?;
        let letter = rest.get(..1)?;
        let value = rest.get(1..).filter(|value| !value.is_empty())?;
        let hides = self.options.contains(&letter) || letter == "p" && !is_port(value);
        hides.then_some(2)
    }
}

/// The name of an option without a value of its own.
fn option_name(word: &str) -> Option<&str> {
    let name = word.trim_start_matches(['\'', '"']).strip_prefix('-')?;
    let name = name.trim_start_matches('-');
    (!name.contains(['=', ':'])).then_some(name)
}

/// The words of an argument and where each begins.
fn words(argument: &str) -> impl Iterator<Item = (usize, &str)> {
    let begin = argument.as_ptr() as usize;
    argument
        .split_whitespace()
        .map(move |word| (word.as_ptr() as usize - begin, word))
}

/// Where the value of the first `name=` or `name:` of a secret begins.
fn after_name(argument: &str) -> Option<usize> {
    let signs = argument.match_indices(['=', ':']);
    let mut ends = signs.map(|(at, _)| at).filter(|at| {
        let before = argument.get(..*at).unwrap_or_default();
        // `"password": …` in JSON, `password = …` in a configuration.
        let before = before.trim_end_matches([' ', '\t', '"', '\'', '\\', ']', ')']);
        let mut names = before.rsplit(|it: char| !it.is_alphanumeric() && !"_-.".contains(it));
        names.next().is_some_and(names_secret)
    });
    let end = ends.next()? + 1;
    (end < argument.len()).then_some(end)
}

/// Whether that is called like a secret, also right behind the letter of an option: `-DAPI_KEY`.
fn names_secret(name: &str) -> bool {
    let glued = name.strip_prefix('-').and_then(|rest| rest.get(1..));
    is_secret(name) || glued.is_some_and(is_secret)
}

/// Masks the name and password in URLs.
fn without_userinfo(argument: &str) -> String {
    let mut shown = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (address, behind) = after.split_at(end);
        match address.rsplit_once('@') {
            Some((_, host)) => {
                shown.push_str(MASK);
                shown.push('@');
                shown.push_str(host);
            }
            None => shown.push_str(address),
        }
        rest = behind;
    }
    shown.push_str(rest);
    without_passwords(&shown)
}

/// Masks what stands between the first `:` and the last `@` of each word.
fn without_passwords(argument: &str) -> String {
    let mut shown = String::with_capacity(argument.len());
    for word in argument.split_inclusive(char::is_whitespace) {
        let ends = word.find(':').zip(word.rfind('@'));
        // Of a URL it was masked before.
        let of_url = |colon: usize| word.get(colon..).is_some_and(|it| it.starts_with("://"));
        let parts = ends
            .filter(|(colon, at)| colon + 1 < *at && !of_url(*colon))
            .and_then(|(colon, at)| word.get(..=colon).zip(word.get(at..)));
        match parts {
            Some((before, after)) => shown.extend([before, MASK, after]),
            None => shown.push_str(word),
        }
    }
    shown
}
