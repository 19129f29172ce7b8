//! What cannot be served is refused when the gateway starts, and says which RPC it is.

use super::*;

/// A contract of one RPC: what it answers with, its HTTP rule, its `rest` option, and the fields of its request.
fn load(answer: &str, http: &str, rest: &str, fields: &str) -> Result<Contract, Error> {
    let text = format!(
        "syntax = \"proto3\"; package zoo.v1;
        import \"codepop/options/v1/options.proto\"; import \"google/api/annotations.proto\";
        import \"google/api/httpbody.proto\";
        service ZooService {{ rpc Feed(FeedRequest) returns ({answer}) {{
            option (google.api.http) = {{{http}}};
            option (codepop.options.v1.access) = {{callers: CALLER_KIND_GATEWAY permission: PERMISSION_PUBLIC}};
            option (codepop.options.v1.rest) = {{{rest}}};
        }} }}
        message FeedRequest {{ {fields} }}
        message FeedResponse {{}}"
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("zoo.proto"), text).unwrap();
    let proto = format!("{}/../proto", env!("CARGO_MANIFEST_DIR"));
    let mut compiler = protox::Compiler::new([folder.path().to_str().unwrap(), &proto]).unwrap();
    compiler.include_imports(true).open_files(["zoo.proto"]).unwrap();
    Contract::load(&compiler.encode_file_descriptor_set())
}

const FIELDS: &str = "bytes all = 1; string seal = 2; optional string maybe = 3; int64 number = 4;";

#[test]
fn what_can_be_served_is_taken() {
    let rest = r#"raw_body: "all" headers: {header: "X-Seal" field: "seal"}"#;
    let contract = load("FeedResponse", r#"post: "/feed""#, rest, FIELDS).unwrap();
    let rpc = &contract.rpcs[0];
    assert_eq!((rpc.bindings[0].body, rpc.is_stream), (Body::Raw(0), false));
    assert_eq!(rpc.headers[0].0, "x-seal");
    let file = load("google.api.HttpBody", r#"post: "/feed""#, r#"content_type: "text/csv""#, FIELDS).unwrap();
    assert_eq!(file.rpcs[0].file.as_ref().unwrap(), "text/csv");
    let either = r#"}; option (codepop.options.v1.route) = {store_field: "seal" or_hub: true"#;
    assert!(load("FeedResponse", r#"post: "/feed""#, either, FIELDS).unwrap().rpcs[0].or_hub);
    assert!(load("stream FeedResponse", r#"get: "/feed/{number}""#, "", FIELDS).unwrap().rpcs[0].is_stream);
}

#[test]
fn what_cannot_be_served_is_refused() {
    let post = r#"post: "/feed""#;
    let header = |field: &str, name: &str| format!(r#"headers: {{header: "{name}" field: "{field}"}}"#);
    let cases = [
        ("stream FeedResponse", post, String::new(), "needs GET"),
        ("FeedResponse", r#"post: "/feed" body: "*""#, r#"raw_body: "all""#.to_owned(), "both are given"),
        ("FeedResponse", post, r#"raw_body: "seal""#.to_owned(), "must name a bytes field"),
        ("FeedResponse", post, r#"raw_body: "other""#.to_owned(), "there is no field"),
        ("FeedResponse", post, header("maybe", "x-seal"), "not optional"),
        ("FeedResponse", post, header("number", "x-seal"), "needs a text field"),
        ("FeedResponse", post, header("other", "x-seal"), "there is no field"),
        ("FeedResponse", post, header("seal", "x seal"), "is no header"),
        ("FeedResponse", post, r#"content_type: "text/csv""#.to_owned(), "is for answers that are a"),
        ("google.api.HttpBody", post, r#"content_type: "a\nb""#.to_owned(), "is no content type"),
        ("google.api.HttpBody", r#"post: "/feed" response_body: "data""#, String::new(), "is its own body"),
    ];
    for (answer, http, rest, expected) in cases {
        let problem = load(answer, http, &rest, FIELDS).unwrap_err().to_string();
        assert!(problem.starts_with("zoo.v1.ZooService.Feed: ") && problem.contains(expected), "{rest}: {problem}");
    }
    for target in ["any_hub: true ", "any_store: false ", ""] {
        let rest = format!("}}; option (codepop.options.v1.route) = {{{target}or_hub: true");
        let problem = load("FeedResponse", post, &rest, FIELDS).unwrap_err().to_string();
        assert!(problem.contains("or_hub adds nothing"), "{target}: {problem}");
    }
    let number = "int64 number = 1 [(codepop.options.v1.number_or_word) = true];";
    let problem = load("FeedResponse", post, "", number).unwrap_err().to_string();
    assert!(problem.contains("zoo.v1.FeedRequest.number") && problem.contains("text fields"), "{problem}");
}
