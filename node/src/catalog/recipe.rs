//! What a drink is made of, and what it may look like.

use codepop_proto::catalog as pb;

use super::money::Cents;
use crate::app::edge::is_printable;

/// Longest name of a drink or an ingredient, in characters: that of the server before this one.
const NAME_MAX: usize = 255;

/// Most sodas, syrups or add-ins of one drink: far more than a cup holds, and a bound for one message.
const INGREDIENTS_MAX: usize = 20;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Its word in the contract and in rows.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// Size of the cup.
    Size {
        /// 16 ounces.
        Small = "16oz",
        /// 24 ounces.
        Medium = "24oz",
        /// 32 ounces.
        Large = "32oz",
    }
}

words! {
    /// Amount of ice.
    Ice {
        /// None at all.
        None = "none",
        /// Little.
        Light = "light",
        /// As usual.
        Regular = "regular",
        /// Much.
        Extra = "extra",
    }
}

impl Size {
    /// When nothing is said.
    pub const DEFAULT: Self = Self::Medium;

    /// Reads a size in any case.
    ///
    /// # Errors
    /// It is none; says which there are.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::of(&text.trim().to_ascii_lowercase()).ok_or("must be 16oz, 24oz or 32oz")
    }
}

impl Ice {
    /// When nothing is said.
    pub const DEFAULT: Self = Self::Regular;

    /// Reads an amount of ice in any case; the app says `No Ice` for none.
    ///
    /// # Errors
    /// It is none; says which there are.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.trim().to_ascii_lowercase().as_str() {
            "no ice" => Ok(Self::None),
            word => Self::of(word).ok_or("must be none, light, regular or extra"),
        }
    }
}

/// What a drink is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Its name.
    pub name: String,
    /// Syrups.
    pub syrups: Vec<String>,
    /// Sodas, one at least.
    pub sodas: Vec<String>,
    /// Add-ins.
    pub add_ins: Vec<String>,
    /// Its price.
    pub price: Cents,
    /// Size of the cup.
    pub size: Size,
    /// Amount of ice.
    pub ice: Ice,
}

/// Reads the name of a drink.
///
/// # Errors
/// It is empty, too long or not printable; says so for people.
pub fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if (1..=NAME_MAX).contains(&text.chars().count()) && is_printable(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("must have 1 to {NAME_MAX} printable characters"))
    }
}

/// Reads a list of at least `min` ingredients.
///
/// # Errors
/// There are too few or too many, or one is not a name; says so for people.
pub fn ingredients(list: &[String], min: usize) -> Result<Vec<String>, String> {
    if !(min..=INGREDIENTS_MAX).contains(&list.len()) {
        return Err(format!("must have {min} to {INGREDIENTS_MAX} entries"));
    }
    list.iter().map(|item| name(item).map_err(|problem| format!("every entry {problem}"))).collect()
}

impl Recipe {
    /// As an event carries it.
    pub fn to_event(&self, drink: i64, user_created: bool) -> pb::Recipe {
        pb::Recipe {
            drink,
            name: self.name.clone(),
            syrups: self.syrups.clone(),
            sodas: self.sodas.clone(),
            add_ins: self.add_ins.clone(),
            price_cents: self.price.get(),
            size: self.size.word().to_owned(),
            ice: self.ice.word().to_owned(),
            user_created,
        }
    }
}

impl TryFrom<&pb::Recipe> for Recipe {
    type Error = &'static str;

    fn try_from(said: &pb::Recipe) -> Result<Self, Self::Error> {
        let list = |list: &[String], min| ingredients(list, min).map_err(|_| "the drink's ingredients are not allowed");
        Ok(Self {
            name: name(&said.name).map_err(|_| "the drink's name is not allowed")?,
            syrups: list(&said.syrups, 0)?,
            sodas: list(&said.sodas, 1)?,
            add_ins: list(&said.add_ins, 0)?,
            price: Cents::new(said.price_cents).ok_or("the drink's price is not allowed")?,
            size: Size::parse(&said.size)?,
            ice: Ice::parse(&said.ice)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_words_are_understood() {
        for (text, ice) in [("No Ice", Ice::None), ("NONE", Ice::None), ("Light", Ice::Light), (" extra ", Ice::Extra)]
        {
            assert_eq!(Ice::parse(text), Ok(ice));
        }
        assert_eq!(Size::parse("16OZ"), Ok(Size::Small));
        for text in ["", "m", "24", "20oz"] {
            assert!(Size::parse(text).is_err(), "{text}");
        }
        assert!(Ice::parse("normal").is_err());
    }

    #[test]
    fn names_and_lists_have_bounds() {
        assert_eq!(name("  Coke Float "), Ok("Coke Float".into()));
        assert!(name(&"é".repeat(255)).is_ok() && name(&"é".repeat(256)).is_err());
        assert!(name(" ").is_err() && name("a\0").is_err());
        let list = |count: usize| vec!["Coke".to_owned(); count];
        assert!(ingredients(&list(0), 1).is_err() && ingredients(&list(0), 0).is_ok());
        assert!(ingredients(&list(20), 1).is_ok() && ingredients(&list(21), 0).is_err());
        assert!(ingredients(&["".to_owned()], 0).is_err());
    }
}
