//! Something that keeps the agent from its work, and may last for days: said in the log when it
//! begins, when it becomes something else and when it is over, but not at each try.

/// One kind of trouble, such as that with the server.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    now: Option<String>,
    times: u64,
}

impl Trouble {
    /// It is met; whether that is news. `what` tells one kind from another, and must not hold what
    /// differs each time.
    pub(crate) fn is_news(&mut self, what: &str) -> bool {
        self.times += 1;
        if self.now.as_deref() == Some(what) {
            return false;
        }
        self.now = Some(what.to_owned());
        true
    }

    /// It is over; how many times it was met, if it was.
    pub(crate) fn over(&mut self) -> Option<u64> {
        let times = std::mem::take(&mut self.times);
        self.now.take().map(|_| times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_news_when_it_begins_and_when_it_becomes_something_else() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.over(), None, "there was none");
        let met = ["away", "away", "full", "full", "away"];
        let news = met.map(|what| trouble.is_news(what));
        assert_eq!(news, [true, false, true, false, true]);
        assert_eq!(trouble.over(), Some(5));
        assert_eq!(trouble.over(), None, "it is over once");
        assert!(trouble.is_news("away"), "and may come again");
    }
}
