//! States of a machine, and what they mean for the store.

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// State of a machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum State {
            $($(#[$doc])* $name,)+
        }

        impl State {
            /// Every state there is.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its word in the contract, in events and in rows.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

states! {
    /// It works.
    Normal = "normal",
    /// It is off-line while it is repaired.
    RepairStart = "repair-start",
    /// It was repaired and works.
    RepairEnd = "repair-end",
    /// It works; repair soon.
    Warning = "warning",
    /// Repair within a week.
    Error = "error",
    /// It does not work.
    OutOfOrder = "out-of-order",
    /// It works; service within a month.
    ScheduleService = "schedule-service",
}

impl State {
    /// The state of a word, when there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.word() == word)
    }

    /// Whether the machine makes drinks.
    pub const fn is_operational(self) -> bool {
        !matches!(self, Self::OutOfOrder | Self::RepairStart)
    }

    /// Whether somebody must come soon.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Error | Self::OutOfOrder)
    }

    /// Whether anything is to be done about it.
    pub const fn needs_repair(self) -> bool {
        !matches!(self, Self::Normal | Self::RepairEnd)
    }
}

impl From<State> for String {
    fn from(state: State) -> Self {
        state.word().to_owned()
    }
}

impl TryFrom<String> for State {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        Self::parse(&word).ok_or_else(|| format!("{word} is no state of a machine"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_mean_what_the_chain_agreed() {
        assert_eq!(State::ALL.len(), 7);
        assert!(State::ALL.iter().all(|state| State::parse(state.word()) == Some(*state)));
        let stopped = State::ALL.iter().filter(|state| !state.is_operational());
        assert_eq!(stopped.collect::<Vec<_>>(), [&State::RepairStart, &State::OutOfOrder]);
        assert!(State::Error.is_urgent() && State::Error.is_operational() && !State::Warning.is_urgent());
        assert_eq!(State::ALL.iter().filter(|state| state.needs_repair()).count(), 5);
        assert_eq!(State::parse("Normal"), None);
    }
}
