//! The towns. Places are those of the towns (in the demo's three stores, of streets in them); streets are made up.

use chrono_tz::{
    America::{Boise, Chicago, Denver, New_York, Phoenix},
    Tz,
};

/// Name of the store, street, city, state, ZIP code, latitude, longitude.
pub(super) type Town = (&'static str, &'static str, &'static str, &'static str, &'static str, f64, f64);

/// A region with its hub and the towns that have a store. Where the hub is, is known to the stores' own list of regions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    /// Its code.
    pub(super) code: &'static str,
    /// What its stores' numbers begin with.
    pub(super) prefix: &'static str,
    /// Name of the hub.
    pub(super) hub: &'static str,
    /// The hub's street and number.
    pub(super) street: &'static str,
    /// The hub's city.
    pub(super) city: &'static str,
    /// The hub's state.
    pub(super) state: &'static str,
    /// The hub's ZIP code.
    pub(super) zip: &'static str,
    /// Time zone.
    pub(super) zone: Tz,
    /// Its stores.
    pub(super) towns: &'static [Town],
}

/// All regions, in the order of their codes.
pub(super) const REGIONS: &[Region] = &[
    Region {
        code: "A",
        prefix: "CHICAGO",
        hub: "Chicago Hub",
        street: "1200 W Fulton St",
        city: "Chicago",
        state: "IL",
        zip: "60607",
        zone: Chicago,
        towns: CHICAGO,
    },
    Region {
        code: "B",
        prefix: "NEWARK",
        hub: "Newark Hub",
        street: "300 Wilson Ave",
        city: "Newark",
        state: "NJ",
        zip: "07105",
        zone: New_York,
        towns: NEWARK,
    },
    Region {
        code: "C",
        prefix: "LOGAN",
        hub: "Cache Valley Hub",
        street: "900 W 600 N",
        city: "Logan",
        state: "UT",
        zip: "84321",
        zone: Denver,
        towns: LOGAN,
    },
    Region {
        code: "D",
        prefix: "DALLAS",
        hub: "Dallas Hub",
        street: "2500 Irving Blvd",
        city: "Dallas",
        state: "TX",
        zip: "75207",
        zone: Chicago,
        towns: DALLAS,
    },
    Region {
        code: "E",
        prefix: "ATLANTA",
        hub: "Atlanta Hub",
        street: "700 Marietta St",
        city: "Atlanta",
        state: "GA",
        zip: "30318",
        zone: New_York,
        towns: ATLANTA,
    },
    Region {
        code: "F",
        prefix: "PHOENIX",
        hub: "Phoenix Hub",
        street: "1500 W Jackson St",
        city: "Phoenix",
        state: "AZ",
        zip: "85007",
        zone: Phoenix,
        towns: PHOENIX,
    },
    Region {
        code: "G",
        prefix: "IDAHO",
        hub: "Boise Hub",
        street: "800 W Front St",
        city: "Boise",
        state: "ID",
        zip: "83702",
        zone: Boise,
        towns: IDAHO,
    },
];

const LOGAN: &[Town] = &[
    ("Logan Main Street", "120 N Main St", "Logan", "UT", "84321", 41.7320, -111.8350),
    ("Logan Campus", "750 N 1200 E", "Logan", "UT", "84341", 41.7450, -111.8100),
    ("Providence", "80 S 100 E", "Providence", "UT", "84332", 41.7060, -111.8170),
    ("North Logan", "1900 N 400 E", "North Logan", "UT", "84341", 41.7694, -111.8047),
    ("Hyde Park", "60 N Main St", "Hyde Park", "UT", "84318", 41.7988, -111.8191),
    ("Smithfield", "100 S Main St", "Smithfield", "UT", "84335", 41.8383, -111.8327),
    ("Richmond", "15 W Main St", "Richmond", "UT", "84333", 41.9227, -111.8136),
    ("Lewiston", "30 S Main St", "Lewiston", "UT", "84320", 41.9758, -111.8547),
    ("River Heights", "520 S 500 E", "River Heights", "UT", "84321", 41.7216, -111.8213),
    ("Millville", "400 N Main St", "Millville", "UT", "84326", 41.6816, -111.8230),
    ("Nibley", "3200 S 450 W", "Nibley", "UT", "84321", 41.6744, -111.8330),
    ("Hyrum", "85 W Main St", "Hyrum", "UT", "84319", 41.6341, -111.8522),
    ("Wellsville", "20 E Main St", "Wellsville", "UT", "84339", 41.6385, -111.9338),
    ("Mendon", "40 N Main St", "Mendon", "UT", "84325", 41.7105, -111.9780),
    ("Newton", "25 S Center St", "Newton", "UT", "84327", 41.8624, -111.9894),
    ("Clarkston", "10 E Center St", "Clarkston", "UT", "84305", 41.9194, -112.0483),
    ("Trenton", "1200 N 800 W", "Trenton", "UT", "84338", 41.9158, -111.9380),
    ("Paradise", "9000 S Hwy 165", "Paradise", "UT", "84328", 41.5688, -111.8344),
    ("Brigham City", "50 S Main St", "Brigham City", "UT", "84302", 41.5102, -112.0155),
    ("Preston", "70 S State St", "Preston", "ID", "83263", 42.0963, -111.8766),
];

const IDAHO: &[Town] = &[
    ("Pocatello", "200 N Main St", "Pocatello", "ID", "83204", 42.8713, -112.4455),
    ("Burley", "1300 Overland Ave", "Burley", "ID", "83318", 42.5358, -113.7928),
    ("Idaho Falls", "400 Park Ave", "Idaho Falls", "ID", "83402", 43.4917, -112.0339),
    ("Twin Falls", "150 Main Ave N", "Twin Falls", "ID", "83301", 42.5558, -114.4701),
    ("Blackfoot", "90 W Bridge St", "Blackfoot", "ID", "83221", 43.1905, -112.3450),
];

const CHICAGO: &[Town] = &[
    ("Chicago Loop", "30 E Lake St", "Chicago", "IL", "60601", 41.8819, -87.6278),
    ("Evanston", "1600 Sherman Ave", "Evanston", "IL", "60201", 42.0451, -87.6877),
    ("Oak Park", "120 N Marion St", "Oak Park", "IL", "60301", 41.8850, -87.7845),
    ("Cicero", "5900 W Cermak Rd", "Cicero", "IL", "60804", 41.8456, -87.7539),
    ("Naperville", "200 W Jefferson Ave", "Naperville", "IL", "60540", 41.7508, -88.1535),
];

const NEWARK: &[Town] = &[
    ("Newark Market Street", "700 Market St", "Newark", "NJ", "07105", 40.7340, -74.1620),
    ("Jersey City", "150 Newark Ave", "Jersey City", "NJ", "07302", 40.7178, -74.0431),
    ("Elizabeth", "1100 E Jersey St", "Elizabeth", "NJ", "07201", 40.6640, -74.2107),
    ("Hoboken", "400 Washington St", "Hoboken", "NJ", "07030", 40.7440, -74.0324),
    ("Montclair", "500 Bloomfield Ave", "Montclair", "NJ", "07042", 40.8259, -74.2090),
];

const DALLAS: &[Town] = &[
    ("Dallas Deep Ellum", "2600 Elm St", "Dallas", "TX", "75226", 32.7843, -96.7840),
    ("Irving", "250 W Irving Blvd", "Irving", "TX", "75060", 32.8140, -96.9489),
    ("Plano", "1000 E 15th St", "Plano", "TX", "75074", 33.0198, -96.6989),
    ("Arlington", "200 E Abram St", "Arlington", "TX", "76010", 32.7357, -97.1081),
    ("Garland", "600 Main St", "Garland", "TX", "75040", 32.9126, -96.6389),
];

const ATLANTA: &[Town] = &[
    ("Atlanta Five Points", "50 Peachtree St", "Atlanta", "GA", "30303", 33.7540, -84.3900),
    ("Decatur", "120 E Ponce de Leon Ave", "Decatur", "GA", "30030", 33.7748, -84.2963),
    ("Marietta", "20 Powder Springs St", "Marietta", "GA", "30064", 33.9526, -84.5499),
    ("Sandy Springs", "6000 Roswell Rd", "Sandy Springs", "GA", "30328", 33.9304, -84.3733),
    ("East Point", "1500 East Point St", "East Point", "GA", "30344", 33.6796, -84.4394),
];

const PHOENIX: &[Town] = &[
    ("Phoenix Roosevelt Row", "400 E Roosevelt St", "Phoenix", "AZ", "85004", 33.4587, -112.0680),
    ("Tempe", "500 S Mill Ave", "Tempe", "AZ", "85281", 33.4255, -111.9400),
    ("Mesa", "100 W Main St", "Mesa", "AZ", "85201", 33.4152, -111.8315),
    ("Scottsdale", "7000 E Main St", "Scottsdale", "AZ", "85251", 33.4942, -111.9261),
    ("Glendale", "5800 W Glenn Dr", "Glendale", "AZ", "85301", 33.5387, -112.1860),
];
