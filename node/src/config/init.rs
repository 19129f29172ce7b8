//! What `init` is told.

use std::path::PathBuf;

use codepop_shared::{geo::Place, identity::Kind};
use uuid::Uuid;

use super::{
    Refused,
    setting::{API_URL, HUBS, LATITUDE, LONGITUDE, NAME, NODE_ID, NODE_TYPE, REGION, Values},
    values,
};

/// Settings of `init`. What is left out is needed only when there is no identity yet.
#[derive(Clone, Debug, PartialEq)]
pub struct InitConfig {
    /// Folder of the node's files.
    pub data_dir: PathBuf,
    /// What the node is.
    pub identity: GivenIdentity,
}

/// What was given of a node's identity.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenIdentity {
    /// UUID.
    pub node_id: Option<Uuid>,
    /// Store or hub.
    pub kind: Option<Kind>,
    /// Name for people.
    pub display_name: Option<String>,
    /// Address at which others reach it.
    pub api_url: Option<String>,
    /// Where it is.
    pub place: Option<Place>,
    /// Code of its region.
    pub region: Option<String>,
    /// Addresses of hubs to begin with; none given is not the same as an empty list.
    pub hub_urls: Option<Vec<String>>,
}

impl InitConfig {
    pub(super) fn read(values: &Values<'_>) -> Result<Self, Refused> {
        Ok(Self { data_dir: values.data_dir()?, identity: GivenIdentity::read(values)? })
    }
}

impl GivenIdentity {
    pub(super) fn read(values: &Values<'_>) -> Result<Self, Refused> {
        Ok(Self {
            node_id: values.get(NODE_ID, values::node_id)?,
            kind: values.get(NODE_TYPE, values::node_type)?,
            display_name: values.get(NAME, values::display_name)?,
            api_url: values.get(API_URL, values::node_url)?,
            place: place(values)?,
            region: values.get(REGION, values::region)?,
            hub_urls: values.get(HUBS, values::hub_urls)?,
        })
    }
}

fn place(values: &Values<'_>) -> Result<Option<Place>, Refused> {
    let half = |given, missing: super::setting::Setting| {
        let missing = format!("{} (or {})", missing.option, missing.variable);
        Err(Refused::plain(format!("{missing} is not set: must be given together with {}", values.name(given))))
    };
    match (values.get(LATITUDE, values::latitude)?, values.get(LONGITUDE, values::longitude)?) {
        (Some(latitude), Some(longitude)) => Ok(Place::new(latitude, longitude)),
        (None, None) => Ok(None),
        (Some(_), None) => half(LATITUDE, LONGITUDE),
        (None, Some(_)) => half(LONGITUDE, LATITUDE),
    }
}
