//! What `init` was told, kept as `<data dir>/node.json`. The environment may override names, addresses and place at run.

use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use codepop_shared::{files, identity::Kind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, content};

/// The settings' file under the data directory.
pub const SETTINGS_FILE: &str = "node.json";

/// The one version of the file's form.
const VERSION: u32 = 1;

/// The node's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSettings {
    /// Version of the file's form.
    pub version: u32,
    /// The node's UUID.
    pub uuid: Uuid,
    /// Store or hub.
    #[serde(with = "node_type")]
    pub node_type: Kind,
    /// Name for people.
    pub display_name: String,
    /// Address at which others reach the node, `https://host:port`; where it listens when left out.
    pub api_url: Option<String>,
    /// Latitude in degrees.
    pub latitude: Option<f64>,
    /// Longitude in degrees.
    pub longitude: Option<f64>,
    /// Code of the region.
    pub region: String,
    /// Addresses of supply hubs to begin with.
    pub hub_urls: Vec<String>,
    /// When `init` made it.
    pub created_at: DateTime<Utc>,
}

impl NodeSettings {
    /// The version that this program writes.
    pub const VERSION: u32 = VERSION;

    /// Reads the settings; none when there are none yet.
    ///
    /// # Errors
    /// The file can't be read or is not of the known form.
    pub fn load(data_dir: &Path) -> Result<Option<Self>, Error> {
        let path = data_dir.join(SETTINGS_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(content(&path, error)),
        };
        let settings: Self = serde_json::from_str(&text).map_err(|e| content(&path, e))?;
        if settings.version != VERSION {
            return Err(content(&path, format!("its version is {}, this program reads {VERSION}", settings.version)));
        }
        Ok(Some(settings))
    }

    /// Reads the settings that must be there.
    ///
    /// # Errors
    /// As [`NodeSettings::load`], or there are none.
    pub fn require(data_dir: &Path) -> Result<Self, Error> {
        Self::load(data_dir)?.ok_or_else(|| Error::Missing {
            path: data_dir.join(SETTINGS_FILE),
            command: format!("codepop-node init --data-dir {} --type … --name … --region …", data_dir.display()),
        })
    }

    /// Writes new settings.
    ///
    /// # Errors
    /// There are some already, or they can't be written.
    pub fn create(&self, data_dir: &Path) -> Result<(), Error> {
        let path = data_dir.join(SETTINGS_FILE);
        let mut text = serde_json::to_string_pretty(self).map_err(|e| content(&path, e))?;
        text.push('\n');
        files::write_new(&path, text.as_bytes()).map_err(|e| content(&path, e))
    }
}

/// The plan's words for the kinds of nodes.
mod node_type {
    use codepop_shared::identity::Kind;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(super::super::type_word(*kind))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "STORE" => Ok(Kind::Store),
            "SUPPLY_HUB" => Ok(Kind::Hub),
            _ => Err(D::Error::custom("node_type must be STORE or SUPPLY_HUB")),
        }
    }
}
