//! What clap sees. Values are taken as text here and judged in [`super::values`], so that an error can say in one line
//! where a value came from and what is allowed.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use super::setting::defaults;

/// One node of a chain of drink stores.
#[derive(Debug, Parser)]
#[command(name = "codepop-node", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make this node's identity: uuid, keys, and a request for a certificate. Safe to repeat
    Init(InitArgs),
    /// Serve
    Run(Box<RunArgs>),
    /// Show how a node is (needs the operator's certificate)
    Status(ClientArgs),
    /// List the nodes that a node knows
    Peers(ClientArgs),
    /// List the nodes that a node can reach, by kind and distance
    Discover(DiscoverArgs),
    /// Look for damage in this node's own data, running or not; or compare a running node with another one. Changes nothing
    #[command(after_help = VERIFY_EXITS)]
    Verify(VerifyArgs),
    /// Show what a node could not decide by itself, try it again, or mark it as looked at (needs the operator's certificate)
    Conflicts(ConflictsArgs),
    /// Bring the database up to date without serving
    Migrate(MigrateArgs),
    /// Bring a database of the old system to this store, once or again. The node must not run
    #[command(after_help = IMPORT_EXITS)]
    ImportLegacy(ImportLegacyArgs),
    /// The chain's certificate authority
    #[command(subcommand)]
    Pki(PkiCommand),
    /// Give a user a role for the whole chain (needs the operator's key)
    Grant(GrantArgs),
    /// Take a role for the whole chain from a user (needs the operator's key)
    Revoke(RevokeArgs),
    /// Take a backup of a node's database, also while the node runs; or look whether one is whole
    #[command(args_conflicts_with_subcommands = true)]
    Backup(BackupArgs),
    /// Put a backup back into the database of a node that takes the place of another (pki issue --replaces)
    Restore(RestoreArgs),
    /// Make a chain with test data in a folder: authority, nodes, people, stock, a month of orders. Safe to repeat
    Seed(SeedArgs),
}

/// The commands of the authority.
#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Make the authority of a new chain, and the operator's certificate
    Init(PkiInitArgs),
    /// Certify a node or gateway from its request, a hub also to renew its stores. The same request gets the same number
    Issue(PkiIssueArgs),
    /// Certify the operator anew, or make another one in a folder of its own
    Operator(PkiOperatorArgs),
    /// Revoke the certificates of a node, gateway or operator, for ever. Safe to repeat
    Revoke(PkiRevokeArgs),
}

/// Where the node keeps its files.
#[derive(Args, Debug)]
pub struct DataArgs {
    /// Folder of the node's files
    #[arg(long, env = "NODE_DATA_DIR", value_name = "DIR", default_value = defaults::DATA_DIR)]
    pub data_dir: String,
}

/// What the node is.
#[derive(Args, Debug)]
pub struct IdentityArgs {
    /// UUID of the node; made by `init` when left out, and must be that of the certificate
    #[arg(long, env = "NODE_ID", value_name = "UUID")]
    pub node_id: Option<String>,
    /// Kind of the node: STORE or SUPPLY_HUB
    #[arg(long = "type", env = "NODE_TYPE", value_name = "TYPE")]
    pub node_type: Option<String>,
    /// Name for people, 1 to 200 characters
    #[arg(long = "name", env = "NODE_DISPLAY_NAME", value_name = "NAME")]
    pub display_name: Option<String>,
    /// Address at which others reach the node, https://host:port
    #[arg(long, env = "NODE_API_URL", value_name = "URL")]
    pub api_url: Option<String>,
    /// Latitude in degrees, -90 to 90
    #[arg(long = "lat", env = "NODE_LATITUDE", value_name = "DEGREES", allow_hyphen_values = true)]
    pub latitude: Option<String>,
    /// Longitude in degrees, -180 to 180
    #[arg(long = "lon", env = "NODE_LONGITUDE", value_name = "DEGREES", allow_hyphen_values = true)]
    pub longitude: Option<String>,
    /// Code of the region, 1 to 10 letters or digits
    #[arg(long, env = "SUPPLY_HUB_REGION", value_name = "CODE")]
    pub region: Option<String>,
    /// Addresses of supply hubs to begin with, separated by commas
    #[arg(long = "hub", env = "SUPPLY_HUB_URL", value_name = "URL,…")]
    pub hub_urls: Option<String>,
}

/// Options of `init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Where its files are.
    #[command(flatten)]
    pub data: DataArgs,
    /// What it is.
    #[command(flatten)]
    pub identity: IdentityArgs,
}

/// Which database.
#[derive(Args, Debug)]
pub struct DatabaseArgs {
    /// postgres://user:password@host:port/database; SQLite in the data directory when left out
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// Options of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Where its files are.
    #[command(flatten)]
    pub data: DataArgs,
    /// What it is; `init` has stored it, what is given here goes before.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Its database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Address to listen on, ip:port
    #[arg(long, env = "NODE_LISTEN", value_name = "ADDRESS", default_value = defaults::LISTEN)]
    pub listen: String,
    /// Address for GET /metrics, ip:port; port 0 takes any free one
    #[arg(long, env = "METRICS_LISTEN", value_name = "ADDRESS", default_value = defaults::METRICS)]
    pub metrics_listen: String,
    /// How log lines look: text or json
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value = defaults::LOG)]
    pub log_format: String,
    /// Milliseconds between heartbeats, 50 to 60000
    #[arg(long, env = "HEARTBEAT_INTERVAL_MS", value_name = "MS", default_value = defaults::HEARTBEAT)]
    pub heartbeat_interval_ms: String,
    /// Milliseconds of silence after which a peer counts as down, 100 to 120000
    #[arg(long, env = "PEER_DOWN_AFTER_MS", value_name = "MS", default_value = defaults::DOWN)]
    pub peer_down_after_ms: String,
    /// Seconds for which superseded events are kept, 1 to 31536000; whoever was away longer gets the live state. Alike at
    /// all nodes of a chain
    #[arg(long, env = "NODE_JOURNAL_KEEP_SECS", value_name = "SECONDS", default_value = defaults::JOURNAL_KEEP)]
    pub journal_keep_secs: String,
    /// Bytes of superseded events that are kept at the most, 1048576 to 1099511627776
    #[arg(long, env = "NODE_JOURNAL_BYTES", value_name = "BYTES", default_value = defaults::JOURNAL_BYTES)]
    pub journal_bytes: String,
    /// Seconds for which roles for regions and the chain hold without word from a hub, 1 to 3600
    #[arg(long, env = "NODE_HUB_SILENCE_MAX", value_name = "SECONDS", default_value = defaults::HUB_SILENCE)]
    pub hub_silence_max: String,
    /// How customers pay.
    #[command(flatten)]
    pub payments: PaymentArgs,
    /// Who makes the drinks: simulated (a simulated robot, and customers who pick up) or off (the store's people say when)
    #[arg(long, env = "ROBOT", value_name = "ROBOT", default_value = defaults::ROBOT)]
    pub robot: String,
    /// How many times faster than a real one the robot works, 1 to 10000; for trying things out
    #[arg(long, env = "ROBOT_SPEED", value_name = "FACTOR", default_value = defaults::ROBOT_SPEED)]
    pub robot_speed: String,
    /// Seconds between two reports of a store to its region and its hub, at the least, 1 to 3600
    #[arg(long, env = "NODE_REPORT_SECS", value_name = "SECONDS", default_value = defaults::REPORT)]
    pub report_secs: String,
    /// Seconds between two digests of the state, by which peers are compared, at the least, 1 to 3600
    #[arg(long, env = "NODE_DIGEST_SECS", value_name = "SECONDS", default_value = defaults::DIGEST)]
    pub digest_secs: String,
    /// Mail server for receipts: smtps://user:password@host:port, or smtp://… (encrypted by STARTTLS, except on loopback);
    /// without one, receipts are written into the folder outbox in the data directory
    #[arg(long, env = "SMTP_URL", value_name = "URL", hide_env_values = true)]
    pub smtp_url: Option<String>,
    /// Who receipts come from, an e-mail address; needed with --smtp-url
    #[arg(long, env = "SMTP_FROM", value_name = "ADDRESS")]
    pub smtp_from: Option<String>,
    /// How it backs itself up.
    #[command(flatten)]
    pub backups: ScheduleArgs,
    /// Speak plain text instead of TLS; loopback only, for trying things out
    #[arg(long)]
    pub insecure: bool,
}

/// Backups of a running node.
#[derive(Args, Debug)]
pub struct ScheduleArgs {
    /// Folder for backups that the running node takes, best on another disk; without one it takes none
    #[arg(long, env = "NODE_BACKUP_DIR", value_name = "DIR")]
    pub backup_dir: Option<String>,
    /// Seconds between two backups, 1 to 604800
    #[arg(long, env = "NODE_BACKUP_EVERY_SECS", value_name = "SECONDS", default_value = defaults::BACKUP_EVERY)]
    pub backup_every_secs: String,
    /// How many backups are kept in the folder, 1 to 1000
    #[arg(long, env = "NODE_BACKUP_KEEP", value_name = "N", default_value = defaults::BACKUP_KEEP)]
    pub backup_keep: String,
    /// 1: bring each backup to the own hub as well; only encrypted ones. Stores only
    #[arg(long, env = "NODE_BACKUP_TO_HUB", value_name = "0|1", default_value = defaults::BACKUP_TO_HUB)]
    pub backup_to_hub: String,
    /// Who can read backups.
    #[command(flatten)]
    pub recipient: RecipientArgs,
}

/// Who can read backups.
#[derive(Args, Debug)]
pub struct RecipientArgs {
    /// Encrypt backups for this public key of age, age1…; without one, whoever has the file can read it
    #[arg(long, env = "NODE_BACKUP_RECIPIENT", value_name = "KEY")]
    pub recipient: Option<String>,
}

/// Options of `backup`.
#[derive(Args, Debug)]
pub struct BackupArgs {
    /// Something else to do.
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
    /// Where its files are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Its database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Where the backup goes: a new file, or a folder in which it gets a name of its own
    #[arg(long, value_name = "FILE|DIR")]
    pub to: Option<PathBuf>,
    /// Who can read it.
    #[command(flatten)]
    pub recipient: RecipientArgs,
    /// Replace a file that is there already
    #[arg(long)]
    pub force: bool,
    /// Take none, but look whether this one is whole
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "force"])]
    pub verify: Option<PathBuf>,
    /// File with the secret key, for an encrypted backup
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub identity: Option<PathBuf>,
}

/// What else `backup` can do.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Make a key: the public half for nodes, the secret one for a safe
    Keygen(KeygenArgs),
    /// Fetch the newest backup that a store has brought to its hub (needs the operator's certificate)
    Fetch(FetchArgs),
}

/// Options of `backup fetch`.
#[derive(Args, Debug)]
pub struct FetchArgs {
    /// Whom to ask: the hub.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Number of the store
    #[arg(long = "of", value_name = "N", allow_hyphen_values = true)]
    pub of: String,
    /// The new file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Options of `backup keygen`.
#[derive(Args, Debug)]
pub struct KeygenArgs {
    /// The new file for the secret key
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Options of `restore`.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the new node's files are.
    #[command(flatten)]
    pub data: DataArgs,
    /// The new node's database, of the same kind as the old one's.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// File with the secret key, for an encrypted backup
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

/// How customers pay.
#[derive(Args, Debug)]
pub struct PaymentArgs {
    /// Who moves the money: simulated (nobody) or stripe
    #[arg(long, env = "PAYMENT_PROVIDER", value_name = "NAME", default_value = defaults::PROVIDER)]
    pub payment_provider: String,
    /// Stripe's secret key, sk_… or rk_…; better given by the environment, because command lines can be seen
    #[arg(long, env = "STRIPE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    pub stripe_secret_key: Option<String>,
    /// Stripe's publishable key, pk_…
    #[arg(long, env = "STRIPE_PUBLISHABLE_KEY", value_name = "KEY")]
    pub stripe_publishable_key: Option<String>,
    /// Secret with which Stripe signs its events, whsec_…; without it none is taken
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub stripe_webhook_secret: Option<String>,
    /// Where Stripe's API is, https://host or https://host:port; plain http on loopback only
    #[arg(long, env = "STRIPE_API_BASE", value_name = "URL", default_value = defaults::STRIPE_BASE)]
    pub stripe_api_base: String,
}

/// Options of `migrate`.
#[derive(Args, Debug)]
pub struct MigrateArgs {
    /// Where its files are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Its database.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// What the exit status of `verify` says.
const VERIFY_EXITS: &str = "Exit status: 0 when all is well, or equal; 1 when something is damaged, or differs; 2 when it could not be found out.";

/// Options of `verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Where its files are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Its database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Whom to ask, with --against.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Compare the node at --node with the one at this address (needs the operator's certificate)
    #[arg(long, value_name = "URL")]
    pub against: Option<String>,
}

/// Options of `conflicts`.
#[derive(Args, Debug)]
pub struct ConflictsArgs {
    /// Whom to ask.
    #[command(flatten)]
    pub client: ClientArgs,
    /// list, retry or dismiss
    #[arg(value_name = "ACTION", default_value = "list")]
    pub action: String,
    /// The entry, as list shows it
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Also those that somebody dismissed
    #[arg(long)]
    pub all: bool,
}

/// What the exit status of `import-legacy` says.
const IMPORT_EXITS: &str = "Exit status: 0 when every row and every cent is accounted for, brought over or left out for a \
     reason that is shown; 1 when something failed (what was brought over stays; run the command again to go on); 2 for \
     wrong usage.";

/// Options of `import-legacy`.
#[derive(Args, Debug)]
pub struct ImportLegacyArgs {
    /// Where its files are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Its database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The old database: postgres://user:password@host:port/database. It is only read
    #[arg(long, env = "LEGACY_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub from: Option<String>,
    /// A dump of the old database: what pg_dump writes as plain text, compressed with gzip or not
    #[arg(long, value_name = "FILE")]
    pub dump: Option<PathBuf>,
    /// Write nothing; show what would become of every row
    #[arg(long)]
    pub dry_run: bool,
    /// Bring over customers' drinks that are in no order and no favourite
    #[arg(long)]
    pub include_abandoned_carts: bool,
    /// A name for the old database, where it cannot be told from another one (a copy of it that went on by itself)
    #[arg(long, value_name = "NAME")]
    pub source_name: Option<String>,
}

/// Options of all commands that ask a node.
#[derive(Args, Debug)]
pub struct ClientArgs {
    /// Address of the node, https://host:port
    #[arg(long = "node", env = "NODE_API_URL", value_name = "URL", default_value = defaults::NODE)]
    pub node_url: String,
    /// Folder with ca.pem, operator.pem and operator.key
    #[arg(long = "pki", value_name = "DIR", default_value = "pki")]
    pub pki_dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Speak plain text instead of TLS; loopback only, to a node that runs with --insecure
    #[arg(long)]
    pub insecure: bool,
}

/// Options of `discover`.
#[derive(Args, Debug)]
pub struct DiscoverArgs {
    /// Whom to ask.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Only nodes of this kind: STORE or SUPPLY_HUB
    #[arg(long = "type", value_name = "TYPE")]
    pub node_type: Option<String>,
    /// Only nodes at most this many miles away from the node asked
    #[arg(long, value_name = "MILES", allow_hyphen_values = true)]
    pub max_distance: Option<String>,
    /// Also nodes that are known to be away, or whose state is not known
    #[arg(long)]
    pub all: bool,
}

/// Options of `grant`.
#[derive(Args, Debug)]
pub struct GrantArgs {
    /// Whom to ask: a hub.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Number of a user with an account that was born at a hub
    #[arg(long, value_name = "NUMBER", conflicts_with = "username")]
    pub user: Option<String>,
    /// Make a new account at the hub with this name; needs --password-file
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub username: Option<String>,
    /// File with the new account's password on its first line; - is standard input
    #[arg(long, value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// First name of the new account
    #[arg(long, value_name = "NAME", default_value = "")]
    pub first_name: String,
    /// Last name of the new account
    #[arg(long, value_name = "NAME", default_value = "")]
    pub last_name: String,
    /// E-mail address of the new account
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    pub email: String,
    /// The role to give: super_admin
    #[arg(long, value_name = "ROLE", default_value = "super_admin")]
    pub role: String,
}

/// Options of `revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// Whom to ask: a hub.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Number of the user
    #[arg(long, value_name = "NUMBER")]
    pub user: String,
    /// The role to take: super_admin
    #[arg(long, value_name = "ROLE", default_value = "super_admin")]
    pub role: String,
}

/// Options of `pki init`.
#[derive(Args, Clone, Debug)]
pub struct PkiInitArgs {
    /// Folder of the authority's files; keep it off the nodes
    #[arg(long, value_name = "DIR", default_value = "pki")]
    pub dir: PathBuf,
    /// Name of the chain, 1 to 63 of a-z, 0-9 and -
    #[arg(long, value_name = "NAME")]
    pub chain: String,
}

/// Options of `pki issue`.
#[derive(Args, Debug)]
pub struct PkiIssueArgs {
    /// The request file that `init` wrote
    #[arg(value_name = "REQUEST")]
    pub request: PathBuf,
    /// Folder of the authority's files
    #[arg(long, value_name = "DIR", default_value = "pki")]
    pub dir: PathBuf,
    /// Host name or IP address to certify beside localhost and 127.0.0.1; may be repeated
    #[arg(long = "host", value_name = "NAME|IP", action = ArgAction::Append)]
    pub hosts: Vec<String>,
    /// The number to give, 1 to 999 for a hub, 1000 to 99999 for a store; the next free one when left out
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub number: Option<String>,
    /// The number whose place the new one takes, after its database was restored or lost
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub replaces: Option<String>,
    /// Days for which the certificate is good, 1 to 730
    #[arg(long, value_name = "N", default_value = "730", allow_hyphen_values = true)]
    pub days: String,
    /// Folder for node.pem and ca.pem, and a hub's region.pem; pki/ beside the request when left out
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `pki operator`.
#[derive(Args, Clone, Debug)]
pub struct PkiOperatorArgs {
    /// Folder of the authority's files
    #[arg(long, value_name = "DIR", default_value = "pki")]
    pub dir: PathBuf,
    /// Folder of the operator's files; another operator is made where there is none. The authority's when left out
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `pki revoke`.
#[derive(Args, Debug)]
pub struct PkiRevokeArgs {
    /// The node's number, or the UUID of whoever it is
    #[arg(value_name = "NUMBER|UUID")]
    pub whom: String,
    /// Folder of the authority's files
    #[arg(long, value_name = "DIR", default_value = "pki")]
    pub dir: PathBuf,
    /// Folder with the files of the operator who says so; the authority's when left out
    #[arg(long, value_name = "DIR")]
    pub operator: Option<PathBuf>,
    /// Address of a node, https://host:port; the others hear of it from there
    #[arg(long = "node", env = "NODE_API_URL", value_name = "URL", default_value = defaults::NODE)]
    pub node_url: String,
    /// Why: stolen, compromised, replaced, closed or duplicate
    #[arg(long, value_name = "REASON")]
    pub reason: String,
}

/// Options of `seed`.
#[derive(Args, Debug)]
pub struct SeedArgs {
    /// What to make: demo (a hub and three stores) or chain (seven hubs and their 50 stores)
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// The folder in which it is made; it must be empty, or not be there yet
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Where chance begins: the same number gives the same people, orders and money
    #[arg(long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    pub seed: String,
    /// Days of orders, 1 to 366
    #[arg(long, value_name = "N", default_value = "30", allow_hyphen_values = true)]
    pub days: String,
    /// The last day of orders; the last one that is over in the whole chain when left out
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// Remove first what an earlier run made in the folder; without --profile, only that
    #[arg(long)]
    pub clear: bool,
    /// Port of the gateway; the nodes take those after it (otherwise 8000, and 7100 and up)
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub port_base: Option<String>,
    /// Also write the data as CSV files, with templates, into this folder
    #[arg(long, value_name = "DIR")]
    pub csv: Option<PathBuf>,
    /// File with the password of all accounts on its first line; a random one is made when left out
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}
