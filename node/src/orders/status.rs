//! States of an order, and which may follow which.

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// State of an order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Status {
            $($(#[$doc])* $name,)+
        }

        impl Status {
            /// Every state there is.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its word in the contract and in rows.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

states! {
    /// It waits for its time or for the customer; nothing was made yet.
    Pending = "pending",
    /// The robot makes it, or will when it has made those before it.
    Processing = "processing",
    /// It waits in the locker.
    Ready = "ready",
    /// It was picked up.
    Completed = "completed",
    /// It was cancelled; the money goes back.
    Cancelled = "cancelled",
    /// Nobody came for it.
    Expired = "expired",
}

impl Status {
    /// The state of a word in any case, when there is one.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.trim();
        Self::ALL.iter().copied().find(|status| status.word().eq_ignore_ascii_case(word))
    }

    /// Whether nothing follows any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Expired)
    }

    /// Whether the store's staff may move an order from here to there. Only forward; the customer may cancel as long as
    /// nothing of it was made, the staff also while it is made.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => !matches!(next, Self::Pending),
            Self::Processing => matches!(next, Self::Ready | Self::Completed | Self::Cancelled),
            Self::Ready => matches!(next, Self::Completed | Self::Expired),
            Self::Completed | Self::Cancelled | Self::Expired => false,
        }
    }
}

impl From<Status> for String {
    fn from(status: Status) -> Self {
        status.word().to_owned()
    }
}

impl TryFrom<String> for Status {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        Self::parse(&word).ok_or_else(|| format!("{word} is no state of an order"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_move_forward_only() {
        use Status::{Cancelled, Completed, Expired, Pending, Processing, Ready};
        for (from, to) in [(Pending, Processing), (Processing, Ready), (Ready, Completed), (Processing, Cancelled)] {
            assert!(from.may_become(to) && !to.may_become(from), "{from:?} {to:?}");
        }
        for over in [Completed, Cancelled, Expired] {
            assert!(over.is_over() && Status::ALL.iter().all(|next| !over.may_become(*next)));
        }
        assert!(!Ready.may_become(Cancelled) && !Processing.may_become(Expired));
        assert_eq!(Status::parse(" Cancelled "), Some(Cancelled));
        assert_eq!(Status::parse("paid"), None);
    }
}
