//! An error and what it came from, as one line for a person or a log.

use std::error::Error;

/// The error and its causes, without those that the text has told already: some errors name their
/// cause themselves, because they are also shown alone.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("cannot read the file: {0}")]
        TellingItsCause(#[source] io::Error),
        #[error("the agent cannot start")]
        Start(#[source] Box<Failed>),
    }

    #[test]
    fn every_cause_is_told_once() {
        let cause = io::Error::other("no such disk");
        let error = Failed::Start(Box::new(Failed::TellingItsCause(cause)));
        assert_eq!(
            with_causes(&error),
            "the agent cannot start: cannot read the file: no such disk"
        );
    }
}
