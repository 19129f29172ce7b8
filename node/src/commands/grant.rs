//! `grant`: gives a role that only the operator can give, signed with the operator's event key. Makes the account at the
//! hub first, if there is none.

use std::{
    fs,
    io::{self, BufRead as _, Read as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use codepop_proto::{
    operator::{CreateStaffAccountRequest, operator_service_client::OperatorServiceClient},
    roles::{Role, RoleAssigned},
};
use tonic::transport::Channel;
use uuid::Uuid;

use super::{client, print, writer::Writer};
use crate::{
    config::{GrantConfig, GrantTo},
    identity::OperatorIdentity,
};

/// Longest password file, in bytes.
const PASSWORD_FILE_MAX: u64 = 4_096;

pub(super) async fn grant(config: &GrantConfig) -> Result<()> {
    let author = OperatorIdentity::load(&config.client.pki_dir)?.author();
    let role = role(&config.role)?;
    let mut node = OperatorServiceClient::new(client::connect(&config.client).await?);
    let user = match &config.to {
        GrantTo::User(number) => *number,
        GrantTo::New { .. } => create(&mut node, &config.to).await?,
    };
    let assigned = RoleAssigned {
        assignment: Uuid::now_v7().as_bytes().to_vec(),
        user,
        role: role.into(),
        scope: "chain".to_owned(),
        assigned_by: 0,
        hub: Vec::new(),
    };
    let mut writer = Writer::open(author, node).await?;
    writer.say(&assigned, user);
    writer.submit().await?;
    Ok(print(&format!("User {user} has the role {} in the whole chain from now on.", role.as_str_name()))?)
}

/// Reads a role's word.
pub(super) fn role(word: &str) -> Result<Role> {
    let name = format!("ROLE_{}", word.to_ascii_uppercase());
    match Role::from_str_name(&name) {
        Some(Role::Unspecified) | None => bail!("--role is \"{word}\": there is no such role"),
        Some(role) => Ok(role),
    }
}

async fn create(node: &mut OperatorServiceClient<Channel>, to: &GrantTo) -> Result<i64> {
    let GrantTo::New { username, password_file, first_name, last_name, email } = to else {
        bail!("there is no account to make")
    };
    let request = CreateStaffAccountRequest {
        username: username.clone(),
        password: read_password(password_file)?,
        first_name: first_name.clone(),
        last_name: last_name.clone(),
        email: email.clone(),
    };
    let made = node.create_staff_account(request).await.map_err(client::said)?.into_inner();
    print(&format!("Account \"{}\" was made; its number is {}.", made.username, made.user_id))?;
    Ok(made.user_id)
}

/// The first line of a file; `-` is standard input.
pub(super) fn read_password(path: &Path) -> Result<String> {
    let mut line = String::new();
    if path == Path::new("-") {
        io::stdin().lock().take(PASSWORD_FILE_MAX).read_line(&mut line).context("read the password")?;
    } else {
        let file = fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
        io::BufReader::new(file.take(PASSWORD_FILE_MAX)).read_line(&mut line).context("read the password")?;
    }
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    ensure!(!password.is_empty(), "{}: the first line is empty; it must hold the password", path.display());
    Ok(password)
}
