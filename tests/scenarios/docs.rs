//! The pages say what is: what is made of them is up to date, and their examples do what they promise.

use std::{env, path::Path, process::Command};

use codepop_tests::{
    docs::{self, Example},
    harness::{Gateway, Mesh, PASSWORD, programs},
};
use serde_json::json;

#[test]
fn what_is_made_from_the_contract_is_up_to_date() {
    for page in docs::read() {
        let made = docs::filled(&page).unwrap_or_else(|what| panic!("{what}"));
        assert!(made == page.text, "{} is not up to date: cargo run -p codepop-tests --bin docs", page.name);
    }
}

/// What the examples find in their environment.
async fn environment(mesh: &Mesh, gateway: &Gateway, boss: &str) -> Vec<(&'static str, String)> {
    let drink = json!({"Name": "Aggie Blue", "SyrupsUsed": ["Blue Raspberry"], "SodaUsed": ["Sprite"], "Price": 3.5,
        "User_Created": false});
    let drink = mesh.publish(gateway, boss, drink).await;
    mesh.staff(gateway, boss, "mona", "staff").await;
    let mona = json!({"username": "mona", "password": PASSWORD});
    let mona = gateway.post("/backend/auth/login/", None, mona).await.expect(200);
    let ada = json!({"username": "ada", "password": "violet-harbour-93", "first_name": "Ada"});
    let ada = gateway.post("/backend/auth/register/", None, ada).await.expect(201);
    mesh.settled().await;
    let address = |node: usize| mesh.nodes[node].address().to_string();
    let id = |node: usize| mesh.nodes[node].id.uuid.to_string();
    vec![
        ("GATEWAY", format!("http://{}", gateway.address())),
        ("NODE", address(1)),
        ("HUB", address(0)),
        ("STORE", id(1)),
        ("STORE2", id(2)),
        ("PKI", mesh.pki().display().to_string()),
        ("DATA", mesh.root().display().to_string()),
        ("BOSS", boss.to_owned()),
        ("MANAGER", mona["token"].as_str().unwrap().to_owned()),
        ("CUSTOMER", ada["token"].as_str().unwrap().to_owned()),
        ("DRINK", drink.to_string()),
    ]
}

/// The programs' folders, so that an example is written as a reader types it.
fn path() -> String {
    let of = |variable: &str| {
        let program =
            env::var_os(variable).unwrap_or_else(|| panic!("{variable} names no program: run scripts/test.sh"));
        Path::new(&program).parent().unwrap().display().to_string()
    };
    let own = programs::bin_dir().display();
    format!("{own}:{}:{}:{}", of("CODEPOP_GRPCURL"), of("CODEPOP_PYTHON"), env::var("PATH").unwrap())
}

fn run(example: &Example, folder: &Path, environment: &[(&str, String)]) -> Result<(), String> {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &example.script]).current_dir(folder).env_clear().env("PATH", path());
    let output = bash.envs(environment.iter().map(|(name, value)| (name, value))).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let failed = |what: String| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("{}: {what}\n--- printed\n{printed}--- errors\n{stderr}", example.place))
    };
    if !output.status.success() {
        return failed(format!("ends with {}", output.status));
    }
    match example.missing(&printed) {
        Some(line) => failed(format!("does not print {line:?}")),
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_do_what_the_pages_promise() {
    let (mesh, gateway, boss) = Mesh::open_shop(2).await;
    let environment = environment(&mesh, &gateway, &boss).await;
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in docs::read() {
        for example in docs::examples(&page) {
            count += 1;
            let folder = tempfile::tempdir().unwrap();
            wrong.extend(run(&example, folder.path(), &environment).err());
        }
    }
    assert!(wrong.is_empty(), "{} of {count} examples:\n{}", wrong.len(), wrong.join("\n\n"));
}
