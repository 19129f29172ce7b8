//! What the contract says of its RPCs and permissions, for those who hold callers to it: from the descriptor set, since
//! the generated code knows nothing of options.

use std::{collections::HashMap, sync::LazyLock};

use prost::Message;

use crate::{
    DESCRIPTORS,
    options::{Access, Held, Permission, Route},
    roles::Role,
};

/// An RPC of the contract's own packages.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// `/package.Service/Method`.
    pub path: String,
    /// Full name of the message that it takes.
    pub input: String,
    /// Who may call it; an RPC that does not say is refused.
    pub access: Option<Access>,
    /// Which node can answer; unset is any.
    pub route: Option<Route>,
    /// Whether calling it changes nothing.
    pub is_read: bool,
}

impl Rpc {
    /// Its full name: `package.Service/Method`.
    pub fn name(&self) -> &str {
        self.path.trim_start_matches('/')
    }
}

/// All RPCs of the contract's own packages, in order of files.
pub fn rpcs() -> &'static [Rpc] {
    static RPCS: LazyLock<Vec<Rpc>> = LazyLock::new(read_rpcs);
    &RPCS
}

/// The roles that have a permission; `None` for a permission that does not depend on roles.
pub fn holders(permission: Permission) -> Option<&'static [Role]> {
    static HOLDERS: LazyLock<HashMap<Permission, Vec<Role>>> = LazyLock::new(read_holders);
    HOLDERS.get(&permission).map(Vec::as_slice)
}

/// `NO_SIDE_EFFECTS` of `google.protobuf.MethodOptions.IdempotencyLevel`.
const NO_SIDE_EFFECTS: i32 = 1;

/// A descriptor set, as far as the options are concerned: prost's own types drop extensions, these keep them.
#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "5")]
    enums: Vec<Enum>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Enum {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    value: Vec<EnumValue>,
}

#[derive(Clone, PartialEq, Message)]
struct EnumValue {
    #[prost(int32, tag = "2")]
    number: i32,
    #[prost(message, optional, tag = "3")]
    options: Option<EnumValueOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct EnumValueOptions {
    /// The extension `codepop.options.v1.held`, by its number.
    #[prost(message, optional, tag = "50020")]
    held: Option<Held>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    input_type: String,
    #[prost(message, optional, tag = "4")]
    options: Option<MethodOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct MethodOptions {
    #[prost(int32, tag = "34")]
    idempotency_level: i32,
    /// The extension `codepop.options.v1.access`, by its number.
    #[prost(message, optional, tag = "50001")]
    access: Option<Access>,
    /// The extension `codepop.options.v1.route`, by its number.
    #[prost(message, optional, tag = "50002")]
    route: Option<Route>,
}

fn own_files() -> impl Iterator<Item = File> {
    let set = Set::decode(DESCRIPTORS).unwrap_or_default();
    set.file.into_iter().filter(|file| file.package.starts_with("codepop."))
}

fn read_rpcs() -> Vec<Rpc> {
    let mut all = Vec::new();
    for file in own_files() {
        for service in file.service {
            for method in service.method {
                let options = method.options.unwrap_or_default();
                all.push(Rpc {
                    path: format!("/{}.{}/{}", file.package, service.name, method.name),
                    input: method.input_type.trim_start_matches('.').to_owned(),
                    access: options.access,
                    route: options.route,
                    is_read: options.idempotency_level == NO_SIDE_EFFECTS,
                });
            }
        }
    }
    all
}

fn read_holders() -> HashMap<Permission, Vec<Role>> {
    let enums = own_files().flat_map(|file| file.enums).filter(|found| found.name == "Permission");
    let held = |value: EnumValue| {
        let permission = Permission::try_from(value.number).ok()?;
        Some((permission, value.options?.held?.by().collect()))
    };
    enums.flat_map(|found| found.value).filter_map(held).collect()
}
