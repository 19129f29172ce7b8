//! What customers write when something went wrong, as words: so "offer" is not "off" and "coffee" is no complaint.

/// A message as words: lower case, letters and digits, with plain apostrophes inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words(Vec<String>);

/// What is said of a drink that was made wrong.
const WRONG: &[&str] = &[
    "wrong",
    "incorrect",
    "incorrectly",
    "mistake",
    "remake",
    "remade",
    "redo",
    "make it again",
    "made again",
    "make me a new",
    "new drink",
    "another drink",
    "replace",
    "replacement",
    "exchange",
    "not what i ordered",
    "isn't what i ordered",
    "wasn't what i ordered",
    "didn't order",
    "did not order",
    "not my drink",
    "not my order",
    "someone else's",
    "not right",
    "isn't right",
    "wasn't right",
    "mixed up",
    "mix up",
    "messed up",
    "screwed up",
    "missing",
    "forgot",
    "forgotten",
    "left out",
    "too sweet",
    "too sour",
    "too strong",
    "too weak",
    "too much ice",
    "too little ice",
    "not enough",
    "no flavor",
    "no flavour",
    "no syrup",
    "no ice",
    "no soda",
    "tastes bad",
    "tastes off",
    "tastes awful",
    "tastes weird",
    "tastes strange",
    "tastes terrible",
    "tastes funny",
    "tasted bad",
    "tasted off",
    "tasted awful",
    "tasted weird",
    "tasted terrible",
    "gross",
    "disgusting",
    "undrinkable",
    "is flat",
    "was flat",
    "went flat",
    "tastes flat",
    "is warm",
    "was warm",
    "lukewarm",
    "watery",
    "watered down",
    "diluted",
    "spilled",
    "spilt",
    "spilling",
    "leaking",
    "leaked",
    "leaks",
    "half empty",
    "was empty",
    "is empty",
    "half full",
    "not full",
    "broken",
    "cracked",
    "contaminated",
    "dirty",
    "hair in",
    "never got",
    "never came",
    "never received",
    "didn't get",
    "did not get",
    "didn't receive",
    "did not receive",
    "wasn't there",
    "was not there",
    "not in the locker",
    "locker was empty",
    "complain",
    "complaint",
    "problem with my",
    "issue with my",
    "unhappy",
    "not happy",
    "not satisfied",
    "dissatisfied",
    "disappointed",
];

/// What is said by who wants the money back.
const REFUND: &[&str] = &[
    "refund",
    "refunds",
    "refunded",
    "refunding",
    "money back",
    "my money",
    "reimburse",
    "reimbursed",
    "reimbursement",
    "pay me back",
    "paid twice",
    "charged twice",
    "charged me twice",
    "double charge",
    "double charged",
    "charged double",
    "overcharged",
    "charged too much",
    "charged me too much",
    "paid too much",
    "wrong charge",
    "unauthorized charge",
    "dispute",
    "chargeback",
    "want to return",
    "return my",
    "return this",
    "store credit",
    "credit my card",
    "compensation",
    "compensate",
];

const GREETING: &[&str] = &["hi", "hello", "hey", "good morning", "good afternoon", "good evening"];
const THANKS: &[&str] = &["thanks", "thank you", "thx", "great", "awesome"];
const HOURS: &[&str] = &["open", "hours", "opening", "closed", "close"];
const YES: &[&str] = &["yes", "yeah", "yep", "sure", "yes please"];
const REMAKE: &[&str] = &["remade", "remake", "made again", "make it again", "new drink", "another drink"];

impl Words {
    /// Reads a message.
    pub(super) fn of(message: &str) -> Self {
        let plain: String = message.to_lowercase().replace(['’', '‘', 'ʼ'], "'");
        let words = plain.split(|char: char| !char.is_alphanumeric() && char != '\'');
        Self(words.map(|word| word.trim_matches('\'').to_owned()).filter(|word| !word.is_empty()).collect())
    }

    /// Whether the words of a phrase stand together.
    fn has(&self, phrase: &str) -> bool {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        self.0.windows(phrase.len()).any(|words| words.iter().eq(phrase.iter()))
    }

    fn has_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.has(phrase))
    }

    /// Whether something is wrong with a drink or an order.
    pub(super) fn complains(&self) -> bool {
        self.has_any(WRONG) || self.wants_refund()
    }

    /// Whether the money is wanted back.
    pub(super) fn wants_refund(&self) -> bool {
        self.has_any(REFUND)
    }

    /// Whether a drink is wanted again.
    pub(super) fn wants_remake(&self) -> bool {
        self.has_any(REMAKE)
    }

    /// Whether the talk is to end.
    pub(super) fn cancels(&self) -> bool {
        self.0.iter().any(|word| word.starts_with("cancel")) || self.has("never mind") || self.has("nevermind")
    }

    /// Whether it agrees.
    pub(super) fn agrees(&self) -> bool {
        self.has_any(YES)
    }

    /// Whether it accepts.
    pub(super) fn accepts(&self) -> bool {
        self.has("i accept")
    }

    /// Whether it means all of them.
    pub(super) fn means_all(&self) -> bool {
        self.has_any(&["all", "everything", "both"])
    }

    /// Whether it greets.
    pub(super) fn greets(&self) -> bool {
        self.has_any(GREETING)
    }

    /// Whether it thanks.
    pub(super) fn thanks(&self) -> bool {
        self.has_any(THANKS)
    }

    /// Whether it asks when the store is open.
    pub(super) fn asks_hours(&self) -> bool {
        self.has_any(HOURS)
    }

    /// The numbers in it; one that is too large to be any thing's is as good as none, and counts.
    pub(super) fn numbers(&self) -> Vec<Option<i64>> {
        let digits = |word: &String| {
            let runs = word.split(|char: char| !char.is_ascii_digit()).filter(|run| !run.is_empty());
            runs.map(|run| run.parse().ok()).collect::<Vec<Option<i64>>>()
        };
        self.0.iter().flat_map(digits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_from_talk() {
        for complaint in [
            "My drink was WRONG",
            "this isn’t what I ordered!",
            "i want my money back",
            "Refund, please.",
            "it tastes off...",
            "my soda was flat",
            "the locker was empty",
            "You charged me twice",
        ] {
            assert!(Words::of(complaint).complains(), "{complaint}");
        }
        for talk in [
            "I like coffee",
            "what do you offer?",
            "is there a discount on official merch",
            "it was a warm welcome",
            "my flat is near you",
            "swapping stories on a cold day",
            "is it credited to my school",
            "wrongdoing",
            "",
        ] {
            assert!(!Words::of(talk).complains(), "{talk}");
        }
    }

    #[test]
    fn numbers_are_read_from_anywhere() {
        assert_eq!(Words::of("order #104200017, please").numbers(), [Some(104_200_017)]);
        assert_eq!(Words::of("[1] and2 3rd").numbers(), [Some(1), Some(2), Some(3)]);
        assert_eq!(Words::of("99999999999999999999").numbers(), [None]);
        assert!(Words::of("none").numbers().is_empty());
    }

    #[test]
    fn whole_words_count() {
        assert!(
            Words::of("Cancel!").cancels() && Words::of("cancelled").cancels() && Words::of("Never mind").cancels()
        );
        assert!(Words::of("YES!").agrees() && !Words::of("yesterday").agrees());
        assert!(Words::of("I accept.").accepts() && !Words::of("I accepted").accepts());
        assert!(Words::of("ALL of them").means_all() && !Words::of("small").means_all());
    }
}
