//! The contract as the server reads it: the options of every RPC, from the descriptor set.

use std::collections::HashMap;

use codepop_proto::{DESCRIPTORS, options::Access};
use prost::Message;

/// A descriptor set, as far as the options are concerned: prost's own types drop extensions, these keep this one.
#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, optional, tag = "2")]
    package: Option<String>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    method: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(message, optional, tag = "4")]
    options: Option<Options>,
}

#[derive(Clone, PartialEq, Message)]
struct Options {
    /// The extension `codepop.options.v1.access`, by its number.
    #[prost(message, optional, tag = "50001")]
    access: Option<Access>,
}

/// Who may call each RPC, by path (`/package.Service/Method`).
pub(super) fn access() -> HashMap<String, Access> {
    let set = Set::decode(DESCRIPTORS).unwrap_or_default();
    let mut all = HashMap::new();
    for file in set.file {
        for service in file.service {
            for method in service.method {
                let (Some(package), Some(service), Some(name)) = (&file.package, &service.name, method.name) else {
                    continue;
                };
                if let Some(access) = method.options.and_then(|options| options.access) {
                    all.insert(format!("/{package}.{service}/{name}"), access);
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use codepop_proto::options::{CallerKind, Permission};

    use super::*;

    #[test]
    fn every_rpc_says_who_may_call_it() {
        let access = access();
        let set = Set::decode(DESCRIPTORS).unwrap();
        let own = set.file.iter().filter(|file| file.package().starts_with("codepop."));
        let rpcs: usize = own.flat_map(|file| &file.service).map(|service| service.method.len()).sum();
        assert!(rpcs > 20);
        assert_eq!(access.len(), rpcs);
        for (path, access) in &access {
            assert!(!access.callers.is_empty(), "{path} names no callers");
            assert_ne!(access.permission(), Permission::Unspecified, "{path} names no permission");
        }
    }

    #[test]
    fn the_mesh_is_for_nodes_alone() {
        for (path, access) in access().iter().filter(|(path, _)| path.contains(".mesh.")) {
            assert!(access.callers().all(|kind| matches!(kind, CallerKind::Store | CallerKind::Hub)), "{path}");
        }
    }
}
