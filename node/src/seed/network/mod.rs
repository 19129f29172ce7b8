//! Which nodes there are: seven hubs and their stores, in real towns at their real places ([`towns`]). Streets are made up.

mod towns;

use chrono_tz::Tz;
use codepop_shared::{geo::Place, identity::Kind};

use self::towns::{REGIONS, Region, Town};
use crate::stores::regions;

/// Number of the first store of region A; each region has a hundred numbers of its own.
const STORES_FROM: u32 = 1_001;

/// Numbers that a region has for its stores.
const STORES_OF_REGION: u32 = 100;

/// The region of the chain's first stores; its hub publishes the catalogue and is where the super admin is at home.
pub const HOME: &str = "C";

/// How much is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// One hub and three stores, for the demo.
    Demo,
    /// The whole chain.
    Chain,
}

impl Profile {
    /// Its word on the command line, which is also the name of the chain that it makes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Chain => "chain",
        }
    }

    /// The profile of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Demo, Self::Chain].into_iter().find(|profile| profile.word() == word)
    }
}

/// A hub or a store of the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Hub or store.
    pub kind: Kind,
    /// Code of the region.
    pub region: &'static str,
    /// Number of the node.
    pub number: u32,
    /// Number of the store for people, like `LOGAN-001`; of a hub, `HUB-C`.
    pub code: String,
    /// Its place among the stores of its region, from 0; 0 for a hub.
    pub rank: usize,
    /// Name for people.
    pub name: String,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: &'static str,
    /// State, two letters.
    pub state: &'static str,
    /// ZIP code.
    pub zip: &'static str,
    /// Latitude in degrees.
    pub latitude: f64,
    /// Longitude in degrees.
    pub longitude: f64,
    /// Time zone.
    pub zone: Tz,
}

impl Site {
    /// The folder of its files: the code in small letters.
    pub fn folder(&self) -> String {
        self.code.to_ascii_lowercase()
    }

    /// Whether it is a hub.
    pub fn is_hub(&self) -> bool {
        self.kind == Kind::Hub
    }

    /// Where it is.
    pub fn place(&self) -> Option<Place> {
        Place::new(self.latitude, self.longitude)
    }
}

/// The nodes of a profile, hubs first, by number.
pub fn sites(profile: Profile) -> Vec<Site> {
    let regions = || REGIONS.iter().filter(|region| profile == Profile::Chain || region.code == HOME);
    let stores_max = if profile == Profile::Demo { 3 } else { usize::MAX };
    let hubs = regions().filter_map(hub);
    let stores = regions().flat_map(|region| {
        let towns = region.towns.iter().take(stores_max).enumerate();
        towns.map(|(rank, town)| store(region, rank, town))
    });
    hubs.chain(stores).collect()
}

/// The place of a region in the alphabet, from 0.
fn index(region: &Region) -> u32 {
    region.code.bytes().next().map_or(0, |letter| u32::from(letter.saturating_sub(b'A')))
}

fn hub(region: &Region) -> Option<Site> {
    let known = regions::find(region.code)?;
    Some(Site {
        kind: Kind::Hub,
        region: region.code,
        number: index(region) + 1,
        code: format!("HUB-{}", region.code),
        rank: 0,
        name: region.hub.to_owned(),
        street: region.street.to_owned(),
        city: region.city,
        state: region.state,
        zip: region.zip,
        latitude: known.latitude,
        longitude: known.longitude,
        zone: region.zone,
    })
}

fn store(region: &Region, rank: usize, town: &Town) -> Site {
    let rank_number = u32::try_from(rank).unwrap_or_default();
    let (name, street, city, state, zip, latitude, longitude) = *town;
    Site {
        kind: Kind::Store,
        region: region.code,
        number: STORES_FROM + index(region) * STORES_OF_REGION + rank_number,
        code: format!("{}-{:03}", region.prefix, rank + 1),
        rank,
        name: name.to_owned(),
        street: street.to_owned(),
        city,
        state,
        zip,
        latitude,
        longitude,
        zone: region.zone,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use codepop_shared::number::{HUB_MAX, NODE_MAX};

    use super::*;

    fn of<'a>(sites: &'a [Site], region: &'a str) -> impl Iterator<Item = &'a Site> {
        sites.iter().filter(move |site| site.region == region && !site.is_hub())
    }

    #[test]
    fn the_chain_is_what_the_plan_asks_for() {
        let sites = sites(Profile::Chain);
        let hubs: Vec<&str> = sites.iter().filter(|site| site.is_hub()).map(|site| site.region).collect();
        assert_eq!(hubs, ["A", "B", "C", "D", "E", "F", "G"]);
        assert_eq!(of(&sites, "C").count(), 20);
        for region in ["A", "B", "D", "E", "F", "G"] {
            assert_eq!(of(&sites, region).count(), 5, "{region}");
        }
        let last = of(&sites, "C").last().unwrap();
        assert_eq!((last.code.as_str(), last.folder().as_str()), ("LOGAN-020", "logan-020"));
        let distinct = |of: fn(&Site) -> String| sites.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(distinct(|site| site.code.clone()), 57);
        assert_eq!(distinct(|site| site.number.to_string()), 57);
        assert_eq!(distinct(|site| site.name.clone()), 57);
        assert_eq!(distinct(|site| format!("{} {}", site.latitude, site.longitude)), 57);
        for site in &sites {
            let range = if site.is_hub() { 1..=HUB_MAX } else { HUB_MAX + 1..=NODE_MAX };
            assert!(range.contains(&site.number) && site.place().is_some(), "{site:?}");
            assert!(site.zip.len() == 5 && site.state.len() == 2, "{site:?}");
        }
    }

    #[test]
    fn stores_are_where_their_hub_can_serve_them() {
        let sites = sites(Profile::Chain);
        let hub = |region: &str| sites.iter().find(|site| site.is_hub() && site.region == region).unwrap();
        let miles = |site: &Site, region: &str| hub(region).place().unwrap().miles_to(site.place().unwrap());
        for region in ["A", "B", "D", "E", "F"] {
            assert!(of(&sites, region).all(|store| miles(store, region) < 40.0), "{region}");
        }
        assert!(of(&sites, "C").all(|store| miles(store, "C") < 30.0));
        // The neighbouring region that comes within 200 miles of Logan is that of Boise, with its towns in the south-east.
        assert!(of(&sites, "G").all(|store| miles(store, "C") < 200.0 && miles(store, "G") < 260.0));
    }

    #[test]
    fn the_demo_is_a_part_of_the_chain() {
        let (demo, chain) = (sites(Profile::Demo), sites(Profile::Chain));
        assert_eq!(demo.iter().map(Site::folder).collect::<Vec<_>>(), ["hub-c", "logan-001", "logan-002", "logan-003"]);
        assert!(demo.iter().all(|site| chain.contains(site)));
        for profile in [Profile::Demo, Profile::Chain] {
            assert_eq!(Profile::parse(profile.word()), Some(profile));
        }
        assert_eq!(Profile::parse("Demo"), None);
    }
}
