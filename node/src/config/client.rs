//! What the commands are told that ask a node.

use std::path::PathBuf;

use codepop_shared::identity::Kind;

use super::{
    Database, Refused,
    cli::{ClientArgs, ConflictsArgs, DiscoverArgs, GrantArgs, RevokeArgs, VerifyArgs},
    run::database,
    setting::{NODE, Values},
    values,
};

/// Whom to ask, and as whom.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The node's address.
    pub url: String,
    /// Folder with the operator's certificate.
    pub pki_dir: PathBuf,
    /// Whether to print JSON.
    pub json: bool,
    /// Plain text on loopback instead of TLS.
    pub insecure: bool,
}

/// Settings of `discover`.
#[derive(Clone, Debug)]
pub struct DiscoverConfig {
    /// Whom to ask.
    pub client: ClientConfig,
    /// Only nodes of this kind.
    pub kind: Option<Kind>,
    /// Only nodes at most this many miles away.
    pub max_distance: Option<f64>,
    /// Also nodes that are away.
    pub all: bool,
}

/// Settings of `grant`.
#[derive(Clone, Debug)]
pub struct GrantConfig {
    /// Whom to ask.
    pub client: ClientConfig,
    /// Who gets the role.
    pub to: GrantTo,
    /// The role's word in the contract, without its prefix, in lower case.
    pub role: String,
}

/// Settings of `revoke`.
#[derive(Clone, Debug)]
pub struct RevokeConfig {
    /// Whom to ask.
    pub client: ClientConfig,
    /// Who loses the role.
    pub user: i64,
    /// The role's word in the contract, without its prefix, in lower case.
    pub role: String,
}

/// Settings of `verify`.
#[derive(Clone, Debug)]
pub enum VerifyConfig {
    /// Look at the own data.
    Own {
        /// Folder of the node's files.
        data_dir: PathBuf,
        /// Its database.
        database: Database,
        /// Whether to print JSON.
        json: bool,
    },
    /// Compare two nodes.
    Against {
        /// The one.
        client: ClientConfig,
        /// Address of the other.
        peer: String,
    },
}

/// Settings of `conflicts`.
#[derive(Clone, Debug)]
pub struct ConflictsConfig {
    /// Whom to ask.
    pub client: ClientConfig,
    /// What to do.
    pub action: ConflictsAction,
}

/// What to do about conflicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConflictsAction {
    /// Show them; those that were dismissed too?
    List {
        /// Also those that somebody dismissed.
        all: bool,
    },
    /// Try one again.
    Retry(String),
    /// Mark one as looked at.
    Dismiss(String),
}

/// Who gets a role.
#[derive(Clone, Debug)]
pub enum GrantTo {
    /// A user that exists, by number.
    User(i64),
    /// A new account at the hub.
    New {
        /// User name.
        username: String,
        /// File with the password on its first line; `-` is standard input.
        password_file: PathBuf,
        /// First name.
        first_name: String,
        /// Last name.
        last_name: String,
        /// E-mail address.
        email: String,
    },
}

impl ClientConfig {
    pub(super) fn read(values: &Values<'_>, args: &ClientArgs) -> Result<Self, Refused> {
        let url = values.require(NODE, values::node_url)?;
        let scheme = if args.insecure { "http://" } else { "https://" };
        if !url.starts_with(scheme) {
            let with = if args.insecure { "with" } else { "without" };
            return Err(values.refuse(NODE, &url, format!("must begin with {scheme} {with} --insecure")));
        }
        Ok(Self { url, pki_dir: args.pki_dir.clone(), json: args.json, insecure: args.insecure })
    }
}

impl VerifyConfig {
    pub(super) fn read(values: &Values<'_>, args: &VerifyArgs) -> Result<Self, Refused> {
        match &args.against {
            None => Ok(Self::Own { data_dir: values.data_dir()?, database: database(values)?, json: args.client.json }),
            Some(peer) => {
                let client = ClientConfig::read(values, &args.client)?;
                let peer = values::node_url(peer).map_err(|allowed| Refused::value("--against", peer, allowed))?;
                Ok(Self::Against { client, peer })
            }
        }
    }
}

impl ConflictsConfig {
    pub(super) fn read(values: &Values<'_>, args: &ConflictsArgs) -> Result<Self, Refused> {
        let action = match (args.action.as_str(), &args.id) {
            ("list", None) => ConflictsAction::List { all: args.all },
            ("retry", Some(id)) => ConflictsAction::Retry(id.clone()),
            ("dismiss", Some(id)) => ConflictsAction::Dismiss(id.clone()),
            (other, _) => return Err(Refused::value("ACTION", other, "must be list, retry ID or dismiss ID")),
        };
        Ok(Self { client: ClientConfig::read(values, &args.client)?, action })
    }
}

impl DiscoverConfig {
    pub(super) fn read(values: &Values<'_>, args: &DiscoverArgs) -> Result<Self, Refused> {
        let kind = args
            .node_type
            .as_deref()
            .map(|text| values::node_type(text).map_err(|allowed| Refused::value("--type", text, allowed)));
        let max_distance = args
            .max_distance
            .as_deref()
            .map(|text| values::miles(text).map_err(|allowed| Refused::value("--max-distance", text, allowed)));
        Ok(Self {
            client: ClientConfig::read(values, &args.client)?,
            kind: kind.transpose()?,
            max_distance: max_distance.transpose()?,
            all: args.all,
        })
    }
}

/// Who is super admin, is said with the operator's key; all other roles are given by RPC.
fn chain_role(word: &str) -> Result<String, Refused> {
    if word == "super_admin" { Ok(word.to_owned()) } else { Err(Refused::value("--role", word, "must be super_admin")) }
}

fn user_number(text: &str) -> Result<i64, Refused> {
    let number = text.parse().ok().filter(|number: &i64| *number > 0);
    number.ok_or_else(|| Refused::value("--user", text, "must be the number of a user"))
}

impl RevokeConfig {
    pub(super) fn read(values: &Values<'_>, args: &RevokeArgs) -> Result<Self, Refused> {
        let (user, role) = (user_number(&args.user)?, chain_role(&args.role)?);
        Ok(Self { client: ClientConfig::read(values, &args.client)?, user, role })
    }
}

impl GrantConfig {
    pub(super) fn read(values: &Values<'_>, args: &GrantArgs) -> Result<Self, Refused> {
        let role = chain_role(&args.role)?;
        let to = match (&args.user, &args.username, &args.password_file) {
            (Some(text), None, None) => GrantTo::User(user_number(text)?),
            (None, Some(username), Some(password_file)) => GrantTo::New {
                username: username.clone(),
                password_file: password_file.clone(),
                first_name: args.first_name.clone(),
                last_name: args.last_name.clone(),
                email: args.email.clone(),
            },
            _ => return Err(Refused::plain("--user NUMBER, or --username NAME with --password-file FILE, is not set")),
        };
        Ok(Self { client: ClientConfig::read(values, &args.client)?, to, role })
    }
}
