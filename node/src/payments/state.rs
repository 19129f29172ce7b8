//! What may become of a payment and of a refund.

macro_rules! states {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $state:ident = $word:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $state,)+
        }

        impl $name {
            /// Its word in rows and answers.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$state => $word,)+ }
            }
        }

        impl From<$name> for String {
            fn from(state: $name) -> Self {
                state.word().to_owned()
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(word: String) -> Result<Self, String> {
                match word.as_str() {
                    $($word => Ok(Self::$state),)+
                    _ => Err(format!("{word} is no state")),
                }
            }
        }
    };
}

states! {
    /// How a payment stands. `Open → Capturing → Captured`; what no order takes goes `Open → Releasing → Released`.
    State {
        /// Prepared; no order has it.
        Open = "open",
        /// An order has it; the money is to be taken.
        Capturing = "capturing",
        /// The money was taken.
        Captured = "captured",
        /// The money is to be let go.
        Releasing = "releasing",
        /// It was let go; nothing was taken.
        Released = "released",
        /// The provider will not pay any more.
        Failed = "failed",
    }
}

states! {
    /// How a refund stands.
    RefundState {
        /// To be carried out.
        Intended = "intended",
        /// The provider has said no several times; it is asked again daily.
        Declined = "declined",
        /// The provider has said yes.
        Done = "done",
    }
}
