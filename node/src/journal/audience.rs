//! Who gets an event. Audiences name roles, not machines, so that a hub can be replaced.

use std::{fmt, str::FromStr};

use codepop_shared::identity::{Kind, SpiffeId};
use uuid::Uuid;

/// Longest code of a region.
const REGION_MAX: usize = 10;

/// Who gets an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// Every node.
    Everyone,
    /// Every hub.
    Hubs,
    /// The stores and the hub of a region.
    Region(String),
    /// The hub of a region; brought by the origin itself, not relayed.
    Hub(String),
    /// One store; brought by the origin itself, not relayed.
    Store(Uuid),
}

impl Audience {
    /// Whether a node gets events of this audience.
    pub fn reaches(&self, node: &SpiffeId) -> bool {
        match self {
            Self::Everyone => node.is_node(),
            Self::Hubs => node.kind == Kind::Hub,
            Self::Region(code) => node.is_node() && node.region == *code,
            Self::Hub(code) => node.kind == Kind::Hub && node.region == *code,
            Self::Store(uuid) => node.kind == Kind::Store && node.uuid == *uuid,
        }
    }

    /// Whether an origin may address this audience.
    pub fn may_be_addressed_by(&self, origin: &SpiffeId) -> bool {
        match self {
            Self::Everyone => true,
            Self::Hubs => matches!(origin.kind, Kind::Hub | Kind::Operator),
            Self::Region(code) => origin.is_node() && origin.region == *code,
            Self::Hub(_) => origin.is_node(),
            Self::Store(_) => origin.kind == Kind::Hub,
        }
    }

    /// Whether nodes other than the origin pass it on.
    pub fn is_relayed(&self) -> bool {
        !matches!(self, Self::Hub(_) | Self::Store(_))
    }

    /// Whether `from` may send `to` an event of this audience that `origin` made.
    pub fn may_travel(&self, origin: Uuid, from: Uuid, to: &SpiffeId) -> bool {
        self.reaches(to) && (self.is_relayed() || origin == from)
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Hubs => f.write_str("hubs"),
            Self::Region(code) => write!(f, "region:{code}"),
            Self::Hub(code) => write!(f, "hub:{code}"),
            Self::Store(uuid) => write!(f, "store:{uuid}"),
        }
    }
}

impl FromStr for Audience {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let region = |code: &str| {
            let good = (1..=REGION_MAX).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
            good.then(|| code.to_owned()).ok_or("the region's code must be 1 to 10 letters or digits")
        };
        match word.split_once(':') {
            None if word == "everyone" => Ok(Self::Everyone),
            None if word == "hubs" => Ok(Self::Hubs),
            Some(("region", code)) => region(code).map(Self::Region),
            Some(("hub", code)) => region(code).map(Self::Hub),
            Some(("store", text)) => {
                let uuid = Uuid::parse_str(text).map_err(|_| "the store must be a UUID")?;
                // One spelling only, or one stream would have two names.
                if uuid.to_string() == text {
                    Ok(Self::Store(uuid))
                } else {
                    Err("the store's UUID must be in lower case")
                }
            }
            _ => Err("the audience must be everyone, hubs, region:…, hub:… or store:…"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: Kind, region: &str) -> SpiffeId {
        SpiffeId { chain: "test".into(), kind, region: region.into(), number: 1, uuid: Uuid::now_v7() }
    }

    #[test]
    fn words_survive_and_others_are_refused() {
        for word in ["everyone", "hubs", "region:C", "hub:C", "store:0194f3a0-0000-7000-8000-000000000000"] {
            assert_eq!(word.parse::<Audience>().unwrap().to_string(), word);
        }
        for word in ["", "all", "region:", "region:a b", "store:1", "store:0194F3A0-0000-7000-8000-000000000000"] {
            assert!(word.parse::<Audience>().is_err(), "{word}");
        }
    }

    #[test]
    fn a_store_gets_its_region_and_nothing_for_hubs() {
        let store = node(Kind::Store, "C");
        assert!(Audience::Everyone.reaches(&store) && Audience::Region("C".into()).reaches(&store));
        assert!(!Audience::Hubs.reaches(&store) && !Audience::Region("D".into()).reaches(&store));
        assert!(!Audience::Everyone.reaches(&node(Kind::Gateway, "-")));
    }

    #[test]
    fn what_is_not_relayed_travels_from_its_origin_alone() {
        let (hub, origin) = (node(Kind::Hub, "C"), Uuid::now_v7());
        assert!(Audience::Hub("C".into()).may_travel(origin, origin, &hub));
        assert!(!Audience::Hub("C".into()).may_travel(origin, Uuid::now_v7(), &hub));
        assert!(Audience::Everyone.may_travel(origin, Uuid::now_v7(), &hub));
    }
}
