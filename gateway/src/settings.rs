//! The settings of the program: texts from the command line or the environment, checked once and made into types. Each
//! error is one line that names the variable, its value and what is allowed.

use std::{
    fmt::Display,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use codepop_gateway::{
    server::{AllowedOrigins, Config, TrustedProxies},
    upstream::{self, Home, Security},
};
use codepop_shared::{
    geo::Place,
    request::{KEY_FILE, PKI_FOLDER},
    telemetry::{LogFormat, METRICS_LISTEN},
    tls::{Connector, TlsFiles},
};
use uuid::Uuid;

/// Nodes to begin with; the others are found.
const NODES_MAX: usize = 64;

/// What `run` is told.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Address to serve HTTP on
    #[arg(long, env = "GATEWAY_LISTEN", default_value = "127.0.0.1:8000")]
    listen: String,
    /// Nodes to begin with, https://host:port, separated by commas
    #[arg(long, env = "GATEWAY_NODES", default_value = "")]
    nodes: String,
    /// UUID of the store whose machine this is; its node is preferred
    #[arg(long, env = "GATEWAY_STORE", default_value = "")]
    store: String,
    /// Latitude of this gateway in degrees, -90 to 90; the nearest nodes are preferred
    #[arg(long, env = "GATEWAY_LATITUDE", default_value = "", allow_hyphen_values = true)]
    latitude: String,
    /// Longitude of this gateway in degrees, -180 to 180
    #[arg(long, env = "GATEWAY_LONGITUDE", default_value = "", allow_hyphen_values = true)]
    longitude: String,
    /// Web origins that may use the gateway from a browser, separated by commas
    #[arg(long, env = "GATEWAY_ALLOWED_ORIGINS", default_value = "")]
    allowed_origins: String,
    /// Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by commas
    #[arg(long, env = "GATEWAY_TRUSTED_PROXIES", default_value = "")]
    trusted_proxies: String,
    #[command(flatten)]
    data: DataArgs,
    /// Address to serve metrics on; any free port on loopback unless given
    #[arg(long, env = "METRICS_LISTEN", default_value = "")]
    metrics_listen: String,
    /// Log lines as text or json
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    log_format: String,
    /// Speak to nodes in plain text; only to nodes on this machine
    #[arg(long)]
    insecure: bool,
}

/// Where the gateway keeps its keys.
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    /// Folder with pki/ca.pem, pki/node.pem (or gateway.pem) and pki/node.key
    #[arg(long, env = "GATEWAY_DATA_DIR", default_value = "gateway-data")]
    pub(crate) data_dir: PathBuf,
}

/// Checked settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_listen: SocketAddr,
    pub(crate) log_format: LogFormat,
    pub(crate) server: Config,
    pub(crate) insecure: bool,
    /// Where the certificate is, to be watched.
    pub(crate) files: TlsFiles,
}

impl RunArgs {
    /// Checks everything; the first wrong value is named.
    pub(crate) fn check(self) -> Result<Settings, String> {
        let listen = address("GATEWAY_LISTEN", &self.listen)?;
        let metrics_listen = given(&self.metrics_listen).map(|text| address("METRICS_LISTEN", text)).transpose()?;
        let log_format = self.log_format.parse().map_err(|problem| wrong("LOG_FORMAT", &self.log_format, problem))?;
        let origins = AllowedOrigins::parse(&self.allowed_origins)
            .map_err(|problem| wrong("GATEWAY_ALLOWED_ORIGINS", &self.allowed_origins, problem))?;
        let proxies = TrustedProxies::parse(&self.trusted_proxies)
            .map_err(|problem| wrong("GATEWAY_TRUSTED_PROXIES", &self.trusted_proxies, problem))?;
        let home = Home { store: self.store()?, place: self.place()? };
        let seeds = self.seeds()?;
        let security =
            if self.insecure { Security::Insecure } else { Security::Tls(credentials(&self.data.data_dir)?.into()) };
        Ok(Settings {
            listen,
            metrics_listen: metrics_listen.unwrap_or(METRICS_LISTEN),
            log_format,
            server: Config { upstream: upstream::Config { seeds, home, security }, origins, proxies },
            insecure: self.insecure,
            files: files(&self.data.data_dir),
        })
    }

    fn store(&self) -> Result<Option<Uuid>, String> {
        let parse = |text: &str| text.parse().map_err(|_| wrong("GATEWAY_STORE", text, "must be the UUID of a store"));
        given(&self.store).map(parse).transpose()
    }

    fn place(&self) -> Result<Option<Place>, String> {
        let latitude = degrees("GATEWAY_LATITUDE", &self.latitude, 90.0)?;
        let longitude = degrees("GATEWAY_LONGITUDE", &self.longitude, 180.0)?;
        match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => Ok(Place::new(latitude, longitude)),
            (None, None) => Ok(None),
            (Some(_), None) => Err(wrong("GATEWAY_LONGITUDE", "", "must be given together with GATEWAY_LATITUDE")),
            (None, Some(_)) => Err(wrong("GATEWAY_LATITUDE", "", "must be given together with GATEWAY_LONGITUDE")),
        }
    }

    fn seeds(&self) -> Result<Vec<String>, String> {
        let seeds: Vec<String> =
            self.nodes.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect();
        let scheme = if self.insecure { "http" } else { "https" };
        if seeds.is_empty() || seeds.len() > NODES_MAX {
            let allowed = format!("must be 1 to {NODES_MAX} addresses like {scheme}://host:port, separated by commas");
            return Err(wrong("GATEWAY_NODES", &self.nodes, allowed));
        }
        if self.insecure {
            for url in &seeds {
                Connector::plain().endpoint(url).map_err(|problem| wrong("GATEWAY_NODES", &self.nodes, problem))?;
            }
        } else if let Some(url) = seeds.iter().find(|url| !url.starts_with("https://")) {
            return Err(wrong("GATEWAY_NODES", url, "must begin with https:// (or use --insecure on this machine)"));
        }
        Ok(seeds)
    }
}

/// Where certificate and key are. The certificate may have the name that it has at a node.
fn files(data_dir: &Path) -> TlsFiles {
    let pki = data_dir.join(PKI_FOLDER);
    let own = pki.join("gateway.pem");
    let certificate = if own.exists() { own } else { pki.join("node.pem") };
    TlsFiles { ca: pki.join("ca.pem"), certificate, key: pki.join(KEY_FILE) }
}

/// The gateway's certificate and key.
fn credentials(data_dir: &Path) -> Result<codepop_shared::tls::Credentials, String> {
    files(data_dir).load().map_err(|problem| {
        wrong(
            "GATEWAY_DATA_DIR",
            &data_dir.display().to_string(),
            format!("{problem}; `codepop-gateway init` makes keys"),
        )
    })
}

fn wrong(name: &str, value: &str, allowed: impl Display) -> String {
    if value.is_empty() { format!("{name} is not set: {allowed}") } else { format!("{name} is \"{value}\": {allowed}") }
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn address(name: &str, text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| wrong(name, text, "must be an address and port like 127.0.0.1:8000"))
}

fn degrees(name: &str, text: &str, most: f64) -> Result<Option<f64>, String> {
    let Some(text) = given(text) else { return Ok(None) };
    let number = text.parse::<f64>().ok().filter(|number| (-most..=most).contains(number));
    number.map(Some).ok_or_else(|| wrong(name, text, format!("must be a number from -{most} to {most}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    fn check(args: &[&str]) -> Result<Settings, String> {
        let basic = ["gateway", "--insecure", "--nodes", "http://127.0.0.1:7101"];
        let line =
            basic.into_iter().filter(|arg| !(args.contains(&"--nodes") && arg.contains("7101") || args.contains(arg)));
        Line::parse_from(line.chain(args.iter().copied())).run.check()
    }

    #[test]
    fn settings_have_defaults() {
        let settings = check(&[]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(settings.server.upstream.home.place, None);
        let settings = check(&["--latitude", "0", "--longitude", "-111.8"]).unwrap();
        assert_eq!(settings.server.upstream.home.place, Place::new(0.0, -111.8));
    }

    #[test]
    fn wrong_values_are_named_in_one_line() {
        let cases: [(&[&str], &str); 9] = [
            (&["--listen", "8000"], "GATEWAY_LISTEN is \"8000\": must be an address"),
            (&["--store", "logan"], "GATEWAY_STORE is \"logan\": must be the UUID"),
            (&["--latitude", "91", "--longitude", "0"], "GATEWAY_LATITUDE is \"91\": must be a number from -90 to 90"),
            (&["--latitude", "NaN", "--longitude", "0"], "GATEWAY_LATITUDE is \"NaN\""),
            (&["--latitude", "1"], "GATEWAY_LONGITUDE is not set: must be given together"),
            (&["--allowed-origins", "*"], "GATEWAY_ALLOWED_ORIGINS is \"*\""),
            (&["--trusted-proxies", "me"], "GATEWAY_TRUSTED_PROXIES is \"me\""),
            (&["--metrics-listen", "x"], "METRICS_LISTEN is \"x\""),
            (&["--log-format", "xml"], "LOG_FORMAT is \"xml\": must be text or json"),
        ];
        for (args, expected) in cases {
            let line = check(args).unwrap_err();
            assert!(line.starts_with(expected) && !line.contains('\n'), "{line}");
        }
    }
}
