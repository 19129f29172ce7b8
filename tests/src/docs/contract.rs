//! Tables from the contract: routes, RPCs, replicated events, permissions.

use codepop_proto::{
    DESCRIPTORS,
    contract::holders,
    options::{Access, CallerKind, Permission, Route, route},
    roles::Role,
};
use prost_reflect::{DescriptorPool, DynamicMessage, FileDescriptor, MethodDescriptor, Value};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTORS).unwrap()
}

fn files(pool: &DescriptorPool, packages: &[&str]) -> Result<Vec<FileDescriptor>, String> {
    let mut found = Vec::new();
    for package in packages {
        let full = format!("codepop.{package}.v1");
        let before = found.len();
        found.extend(pool.files().filter(|file| file.package_name() == full));
        if found.len() == before {
            return Err(format!("the contract has no package {full}"));
        }
    }
    Ok(found)
}

fn methods(files: &[FileDescriptor]) -> Vec<MethodDescriptor> {
    files.iter().flat_map(FileDescriptor::services).flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The comment above a declaration, on one line.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|location| location.path == path));
    let text = location.and_then(|location| location.leading_comments.clone()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn method_comment(method: &MethodDescriptor) -> String {
    comment(&method.parent_service().parent_file(), method.path())
}

fn option(method: &MethodDescriptor, name: &str) -> Option<DynamicMessage> {
    let extension = method.parent_pool().get_extension_by_name(name)?;
    let options = method.options();
    options.has_extension(&extension).then(|| options.get_extension(&extension).as_message().cloned()).flatten()
}

fn own<T: prost::Message + Default>(method: &MethodDescriptor, name: &str) -> T {
    option(method, name).map_or_else(T::default, |message| message.transcode_to().unwrap())
}

/// Verb and path of every REST face of a method.
fn faces(method: &MethodDescriptor) -> Vec<String> {
    let mut faces = Vec::new();
    collect(option(method, "google.api.http").as_ref(), &mut faces);
    faces
}

fn collect(rule: Option<&DynamicMessage>, faces: &mut Vec<String>) {
    let Some(rule) = rule else { return };
    for verb in ["get", "post", "put", "patch", "delete"] {
        let path = rule.get_field_by_name(verb).and_then(|path| path.as_str().map(str::to_owned));
        faces.extend(path.filter(|path| !path.is_empty()).map(|path| format!("`{} {path}/`", verb.to_uppercase())));
    }
    if let Some(Value::List(more)) = rule.get_field_by_name("additional_bindings").as_deref() {
        more.iter().filter_map(Value::as_message).for_each(|rule| collect(Some(rule), faces));
    }
}

/// `INVENTORY_WRITE` for `PERMISSION_INVENTORY_WRITE`.
fn word(permission: Permission) -> &'static str {
    permission.as_str_name().trim_start_matches("PERMISSION_")
}

fn role_word(role: Role) -> &'static str {
    role.as_str_name().trim_start_matches("ROLE_")
}

/// Which node answers, for people.
fn answered_by(method: &MethodDescriptor) -> String {
    let Route { target, or_hub } = own(method, "codepop.options.v1.route");
    let said = match target {
        Some(route::Target::StoreField(field)) => format!("the store in `{field}`"),
        Some(route::Target::NumberField(field)) => format!("where the number in `{field}` was born"),
        Some(route::Target::RegionField(field)) => format!("the hub of the region in `{field}`"),
        Some(route::Target::AnyStore(true)) => "any store".to_owned(),
        Some(route::Target::AnyHub(true)) => "any hub".to_owned(),
        Some(route::Target::ChosenStore(true)) => "the chosen store".to_owned(),
        _ => "any node".to_owned(),
    };
    if or_hub { format!("{said}, else a hub") } else { said }
}

/// The REST routes of these packages.
pub(super) fn routes(packages: &[&str]) -> Result<String, String> {
    let pool = pool();
    let mut table = "| route | what | permission | answered by |\n|---|---|---|---|\n".to_owned();
    for method in methods(&files(&pool, packages)?) {
        let faces = faces(&method);
        if !faces.is_empty() {
            let access: Access = own(&method, "codepop.options.v1.access");
            table += &format!(
                "| {} | {} | {} | {} |\n",
                faces.join("<br>"),
                method_comment(&method),
                word(access.permission()),
                answered_by(&method)
            );
        }
    }
    Ok(table)
}

/// The RPCs of these packages that have no REST face.
pub(super) fn rpcs(packages: &[&str]) -> Result<String, String> {
    let pool = pool();
    let mut table = "| RPC | what | callers | permission |\n|---|---|---|---|\n".to_owned();
    for method in methods(&files(&pool, packages)?).iter().filter(|method| faces(method).is_empty()) {
        let access: Access = own(method, "codepop.options.v1.access");
        let callers: Vec<&str> = access.callers().map(caller).collect();
        table += &format!(
            "| `{}/{}` | {} | {} | {} |\n",
            method.parent_service().full_name(),
            method.name(),
            method_comment(method),
            callers.join(", "),
            word(access.permission())
        );
    }
    Ok(table)
}

fn caller(kind: CallerKind) -> &'static str {
    match kind {
        CallerKind::Unspecified => "nobody",
        CallerKind::Store => "stores",
        CallerKind::Hub => "hubs",
        CallerKind::Gateway => "gateways",
        CallerKind::Operator => "operators",
    }
}

/// All replicated events: their comments say audience and merge rule.
pub(super) fn events() -> String {
    let pool = pool();
    let mut table = "| event | what, who gets it, how it merges |\n|---|---|\n".to_owned();
    for file in
        pool.files().filter(|file| file.name().starts_with("codepop/") && file.name().ends_with("/events.proto"))
    {
        for message in file.messages() {
            let said = comment(&file, message.path());
            // The others are parts of events.
            if said.contains("Audience:") {
                let name = message.full_name().trim_start_matches("codepop.").to_owned();
                table += &format!("| `{name}` | {said} |\n");
            }
        }
    }
    table
}

/// The table of rights.
pub(super) fn permissions() -> String {
    use Role::{Admin, LogisticsManager, Manager, RepairStaff, SuperAdmin};
    let pool = pool();
    let all = pool.get_enum_by_name("codepop.options.v1.Permission").unwrap();
    let roles = [(Manager, "store"), (Admin, "store"), (LogisticsManager, "region"), (RepairStaff, "region")];
    let mut table = "| permission | to do what |".to_owned();
    for (role, place) in roles.into_iter().chain([(SuperAdmin, "chain")]) {
        table += &format!(" {}<br>({place}) |", role_word(role));
    }
    table += "\n|---|---|:-:|:-:|:-:|:-:|:-:|\n";
    for value in all.values() {
        let permission = Permission::try_from(value.number()).unwrap();
        let Some(holders) = holders(permission) else { continue };
        let said = comment(&all.parent_file(), value.path());
        table += &format!("| `{}` | {said} |", word(permission));
        for role in roles.map(|(role, _)| role).into_iter().chain([SuperAdmin]) {
            table += if holders.contains(&role) { " yes |" } else { " – |" };
        }
        table.push('\n');
    }
    table
}
