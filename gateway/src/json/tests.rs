//! Every rule of the JSON spelling, on a contract of the tests' own.

use std::{borrow::Cow, sync::LazyLock};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::contract::Contract;

/// Compiled once for all cases.
static CONTRACT: LazyLock<Contract> = LazyLock::new(compile);

fn contract() -> &'static Contract {
    &CONTRACT
}

fn compile() -> Contract {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut compiler = protox::Compiler::new([format!("{root}/tests/contract"), format!("{root}/../proto")]).unwrap();
    compiler.include_source_info(true).include_imports(true).open_files(["library/v1/library.proto"]).unwrap();
    Contract::load(&compiler.encode_file_descriptor_set()).unwrap()
}

fn id(contract: &Contract, name: &str) -> MessageId {
    let full = format!("library.v1.{name}");
    contract.schema.messages().find(|(_, message)| *message.full_name == *full).unwrap().0
}

fn read(contract: &Contract, name: &str, body: &str) -> Result<Vec<u8>, Fault> {
    let input = Input { body_is: Body::Whole, body: body.as_bytes(), query: None, vars: &[] };
    decode(&contract.schema, id(contract, name), &input)
}

fn write(contract: &Contract, name: &str, bytes: &[u8]) -> Value {
    serde_json::from_slice(&encode(&contract.schema, id(contract, name), bytes, None).unwrap()).unwrap()
}

fn through(name: &str, body: &Value) -> Value {
    let contract = contract();
    write(contract, name, &read(contract, name, &body.to_string()).unwrap())
}

fn problems(name: &str, body: &str) -> Vec<(String, String)> {
    match read(contract(), name, body) {
        Err(Fault::Invalid(problems)) => problems,
        other => panic!("{body}: {other:?}"),
    }
}

fn problem(field: &str, value: Value) -> String {
    let found = problems("Everything", &json!({ field: value }).to_string());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, field);
    found[0].1.clone()
}

#[test]
fn unset_fields_are_null_or_defaults() {
    let written = write(contract(), "Everything", &[]);
    for null in ["time", "inner", "maybe", "left", "right"] {
        assert_eq!(written[null], Value::Null, "{null}");
        assert!(written.as_object().unwrap().contains_key(null));
    }
    assert_eq!((&written["numbers"], &written["counts"]), (&json!([]), &json!({})));
    assert_eq!((&written["string"], &written["bytes"], &written["bool"]), (&json!(""), &json!(""), &json!(false)));
    assert_eq!(
        (&written["int64"], &written["double"], &written["kind"]),
        (&json!(0), &json!(0.0), &json!("UNSPECIFIED"))
    );
    assert_eq!(written["FarOut"], json!(0), "a json_name counts");
}

#[test]
fn everything_goes_both_ways() {
    let body = json!({
        "double": 2.5, "float": 0.5, "int32": i32::MIN, "int64": i64::MAX, "uint32": u32::MAX, "uint64": u64::MAX,
        "sint32": -1, "sint64": i64::MIN, "fixed32": u32::MAX, "fixed64": u64::MAX, "sfixed32": -5, "sfixed64": i64::MIN,
        "bool": true, "string": "naïve \"🦀\"\n", "bytes": "AAEC/w==", "kind": "HISTORY",
        "time": "2026-02-02T10:00:00.123456Z", "maybe": 0, "numbers": [1, -2, 300], "loose": [4, 5], "texts": ["", "b"],
        "books": [{"BookID": 1}, {"Title": "x".repeat(200)}], "counts": {"a": 1, "": 0}, "shelf": {"7": {"Title": "t"}},
        "right": 0, "kinds": ["NOVEL", "HISTORY"], "FarOut": 9, "inner": {"inner": {"int32": 1}},
    });
    let written = through("Everything", &body);
    for (key, value) in body.as_object().unwrap() {
        match key.as_str() {
            "inner" => assert_eq!(written[key]["inner"]["int32"], 1),
            "books" => assert_eq!(written[key][1]["Title"], value[1]["Title"]),
            "shelf" => assert_eq!(written[key]["7"]["Title"], "t"),
            _ => assert_eq!(&written[key], value, "{key}"),
        }
    }
    assert_eq!((&written["left"], &written["right"]), (&Value::Null, &json!(0)));
    assert_eq!(through("Everything", &written), written, "a fixed point");
}

#[test]
fn what_the_app_sends_is_accepted() {
    let sent = json!({
        "int32": "00431", "int64": "7", "double": "1.5", "uint64": 3.0, "maybe": null, "texts": null, "inner": null,
        "unknown": {"deep": [1, 2, {"x": null}]}, "Int32": 99, "kind": null, "time": "2026-02-02T12:00:00+02:00",
    });
    let written = through("Everything", &sent);
    assert_eq!((&written["int32"], &written["int64"], &written["double"]), (&json!(431), &json!(7), &json!(1.5)));
    assert_eq!((&written["uint64"], &written["maybe"], &written["texts"]), (&json!(3), &Value::Null, &json!([])));
    assert_eq!(written["time"], "2026-02-02T10:00:00.000000Z");
}

#[test]
fn numbers_for_texts_are_their_text() {
    let written = through("Everything", &json!({"string": 5, "texts": [1.50, "b"], "left": -7}));
    assert_eq!((&written["string"], &written["left"]), (&json!("5"), &json!("-7")));
    assert_eq!(written["texts"], json!(["1.5", "b"]));
    for number in ["104200017.0", "1e3", "0"] {
        let contract = contract();
        let bytes = read(contract, "Everything", &format!("{{\"string\": {number}}}")).unwrap();
        assert_eq!(write(contract, "Everything", &bytes)["string"], *number, "as it was written");
    }
}

#[test]
fn some_texts_are_numbers_when_they_can_be() {
    let cases = [
        (json!(104_200_017), json!(104_200_017)),
        (json!("104200017"), json!(104_200_017)),
        (json!("none"), json!("none")),
        (json!("00431"), json!("00431")),
        (json!(9_007_199_254_740_991_i64), json!(9_007_199_254_740_991_i64)),
        (json!("9007199254740992"), json!("9007199254740992")),
        (json!(-1), json!("-1")),
        (json!(""), json!("")),
    ];
    for (sent, expected) in cases {
        let written = through("Everything", &json!({"ticket": sent, "tickets": [sent, "x"], "maybe_ticket": null}));
        assert_eq!((&written["ticket"], &written["maybe_ticket"]), (&expected, &Value::Null), "{sent}");
        assert_eq!(written["tickets"], json!([expected, "x"]));
    }
    assert_eq!(write(contract(), "Everything", &[])["ticket"], json!(""));
}

#[test]
fn wrong_values_are_named() {
    assert_eq!(problem("int32", json!(1.5)), "must be a whole number");
    assert_eq!(problem("int32", json!(2147483648_i64)), "must be a whole number from -2147483648 to 2147483647");
    assert_eq!(problem("uint32", json!(-1)), "must be a whole number from 0 to 4294967295");
    assert_eq!(problem("int64", json!("seven")), "must be a whole number");
    assert_eq!(problem("double", json!("NaN")), "must be a number");
    assert_eq!(problem("double", json!(true)), "must be a number");
    assert_eq!(problem("float", json!(1e300)), "is a larger number than can be held");
    assert_eq!(problem("bool", json!(1)), "must be true or false");
    assert_eq!(problem("string", json!(true)), "must be a text");
    assert_eq!(problem("texts", json!({})), "must be a list");
    assert_eq!(problem("int64", json!("")), "must be a whole number");
    assert_eq!(problem("double", json!("")), "must be a number");
    assert_eq!(problem("bytes", json!("?")), "must be base64");
    assert_eq!(problem("kind", json!("POEM")), "must be one of NOVEL, HISTORY");
    assert_eq!(problem("kind", json!("novel")), "must be one of NOVEL, HISTORY");
    assert_eq!(problem("kind", json!(1)), "must be one of NOVEL, HISTORY");
    assert_eq!(problem("time", json!("today")), "must be a time such as 2026-02-02T10:00:00.123456Z");
    assert_eq!(problem("inner", json!([])), "must be an object");
    assert_eq!(problem("texts", json!("one")), "must be a list");
    assert_eq!(problem("counts", json!([])), "must be an object");
    assert_eq!(problem("int32", json!({"a": 1})), "must be a whole number");
}

#[test]
fn all_wrong_fields_are_named_in_the_json_spelling() {
    let body = json!({
        "FarOut": "x", "texts": ["a", true, null], "books": [{}, {"BookID": "x", "page_count": 1.5}],
        "counts": {"a": "b"}, "shelf": {"x": {}}, "inner": {"inner": {"bool": 0}}, "left": "l", "right": 1,
    });
    let found = problems("Everything", &body.to_string());
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "FarOut",
        "texts[1]",
        "texts[2]",
        "books[1].BookID",
        "books[1].page_count",
        "counts[\"a\"]",
        "shelf[\"x\"]",
        "inner.inner.bool",
        "right",
    ];
    assert_eq!(names, expected);
    let list = problems("Everything", "[]");
    assert_eq!(list, [("body".to_owned(), "must be an object".to_owned())]);
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    let contract = contract();
    for body in
        ["{", "{\"int32\": NaN}", "{\"int32\": 1, \"int32\": 2}", "{} x", "{\"double\": Infinity}", "{\"x\":1,\"x\":2}"]
    {
        assert!(matches!(read(contract, "Everything", body), Err(Fault::Malformed(_))), "{body}");
    }
    let deep = "{\"inner\":".repeat(DEPTH_MAX + 1) + "{}" + &"}".repeat(DEPTH_MAX + 1);
    assert!(matches!(read(contract, "Everything", &deep), Err(Fault::Malformed(_))));
    assert_eq!(read(contract, "Everything", " ").unwrap(), b"", "an empty body is an empty object");
}

#[test]
fn path_and_query_fill_fields() {
    let contract = contract();
    let message = id(contract, "Book");
    let path = contract.schema.path(message, "id").unwrap();
    let vars = [(&path, Cow::Borrowed("7"))];
    let input =
        Input { body_is: Body::Whole, body: br#"{"BookID": "not looked at", "Title": "t"}"#, query: None, vars: &vars };
    let written = write(contract, "Book", &decode(&contract.schema, message, &input).unwrap());
    assert_eq!((&written["BookID"], &written["Title"]), (&json!(7), &json!("t")));

    let message = id(contract, "SearchRequest");
    let search = |query| {
        let input = Input { body_is: Body::None, body: b"", query: Some(query), vars: &[] };
        decode(&contract.schema, message, &input)
    };
    let query =
        "words=a+b%26&kinds=NOVEL&kinds=HISTORY&authors=x&authors=&page_count_max=9&where.name=w&lent=true&other=1";
    let written = write(contract, "SearchRequest", &search(query).unwrap());
    let expected = json!({
        "words": "a b&", "page_count_max": 9, "kinds": ["NOVEL", "HISTORY"], "authors": ["x", ""], "after": null,
        "where": {"name": "w"}, "lent": true,
    });
    assert_eq!(written, expected);
    let Err(Fault::Invalid(found)) = search("page_count_max=&words=a&words=b&where=x&kinds=POEM&lent=1") else {
        panic!()
    };
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["page_count_max", "words", "where", "kinds", "lent"]);
}

#[test]
fn messages_in_pieces_are_one() {
    // Field 18 twice: {int32: 1} and {bool: true}.
    let bytes = [0x92, 1, 2, 0x18, 1, 0x92, 1, 2, 0x68, 1];
    let written = write(contract(), "Everything", &bytes);
    assert_eq!((&written["inner"]["int32"], &written["inner"]["bool"]), (&json!(1), &json!(true)));
}

#[test]
fn lists_packed_or_not_and_interleaved_are_whole() {
    // numbers (20): 1 alone, then loose (21) packed as 4 5, then numbers packed as 2 3; and a field nobody knows.
    let bytes = [0xa0, 1, 1, 0xaa, 1, 2, 4, 5, 0xa2, 1, 2, 2, 3, 0xf8, 7, 1];
    let written = write(contract(), "Everything", &bytes);
    assert_eq!((&written["numbers"], &written["loose"]), (&json!([1, 2, 3]), &json!([4, 5])));
}

#[test]
fn a_list_can_be_the_whole_answer() {
    let contract = contract();
    let list = id(contract, "ListBooksResponse");
    let one = encode(&contract.schema, list, &[0x0a, 2, 0x08, 5], Some(0)).unwrap();
    let one: Value = serde_json::from_slice(&one).unwrap();
    assert_eq!(one[0]["BookID"], 5);
    assert_eq!(encode(&contract.schema, list, &[], Some(0)).unwrap(), b"[]");
    let book = id(contract, "GetBookResponse");
    assert_eq!(encode(&contract.schema, book, &[], Some(0)).unwrap(), b"null");
}

#[test]
fn answers_that_are_broken_are_refused() {
    let contract = contract();
    let everything = id(contract, "Everything");
    // A string that is no UTF-8, a number where a message belongs, a time beyond the calendar, a cut-off record.
    for bytes in
        [&[0x72, 1, 0xff][..], &[0x90, 1, 1], &[0x8a, 1, 7, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], &[0x72, 5, 1]]
    {
        assert!(encode(&contract.schema, everything, bytes, None).is_err(), "{bytes:?}");
    }
    let written = write(contract, "Everything", &[0x80, 1, 9]);
    assert_eq!(written["kind"], 9, "words newer than this contract are numbers");
}

fn everything() -> impl Strategy<Value = Value> {
    let numbers = (any::<i32>(), any::<i64>(), any::<u64>(), any::<i32>(), any::<i64>());
    let texts = (any::<String>(), proptest::collection::vec(any::<String>(), 0..4), proptest::option::of(any::<i64>()));
    let lists = (
        proptest::collection::vec(any::<i64>(), 0..6),
        proptest::collection::btree_map(any::<String>(), any::<i32>(), 0..4),
    );
    (numbers, texts, lists, any::<bool>(), 0_usize..3, 0_i64..4_000_000_000).prop_map(|(n, t, l, truth, kind, time)| {
        let time = chrono::DateTime::from_timestamp(time, 0).unwrap().to_rfc3339();
        json!({
            "int32": n.0, "int64": n.1, "uint64": n.2, "double": f64::from(n.3) / 4.0, "sint64": n.4, "sfixed64": n.4, "string": t.0,
            "texts": t.1, "maybe": t.2, "numbers": l.0, "counts": l.1, "bool": truth, "time": time,
            "kind": (["UNSPECIFIED", "NOVEL", "HISTORY"][kind]), "inner": {"string": t.0, "numbers": l.0},
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_survives_protobuf(body in everything()) {
        let written = through("Everything", &body);
        for (key, value) in body.as_object().unwrap() {
            if key != "inner" && key != "time" {
                prop_assert_eq!(&written[key], value, "{}", key);
            }
        }
        prop_assert_eq!(&written["inner"]["string"], &body["string"]);
        prop_assert_eq!(&through("Everything", &written), &written);
    }

    #[test]
    fn no_bytes_make_the_codec_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let contract = contract();
        let everything = id(contract, "Everything");
        let _ = encode(&contract.schema, everything, &bytes, None);
        let input = Input { body_is: Body::Whole, body: &bytes, query: None, vars: &[] };
        let _ = decode(&contract.schema, everything, &input);
    }

    #[test]
    fn no_text_makes_the_codec_panic(text in r#"[\{\}\[\]":,\\ue0-9a-z"tnf .+-]{0,60}"#, query in "[a-z=&%+0-9.]{0,40}") {
        let contract = contract();
        let input = Input { body_is: Body::Whole, body: text.as_bytes(), query: Some(&query), vars: &[] };
        let _ = decode(&contract.schema, id(contract, "Everything"), &input);
        let input = Input { body_is: Body::None, body: b"", query: Some(&query), vars: &[] };
        let _ = decode(&contract.schema, id(contract, "SearchRequest"), &input);
    }

    #[test]
    fn what_our_reader_takes_serde_takes(text in r#"[\{\}\[\]":,0-9a"b.e-]{0,12}"#) {
        let mut reader = reader::Reader::new(text.as_bytes()).unwrap();
        if reader.skip(0).and_then(|()| reader.end()).is_ok() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok() || text.contains('e'), "{}", text);
        }
    }
}
