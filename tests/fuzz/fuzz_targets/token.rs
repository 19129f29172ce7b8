//! Any text in place of a token: only what the key signed is good.

#![no_main]

use std::{sync::LazyLock, time::Duration};

use codepop_fuzz::Chain;
use codepop_node::{
    auth::{
        issuers::Issuer,
        token::{self, Claims, Unverified},
    },
    clock::Hlc,
};
use codepop_shared::identity::Kind;
use libfuzzer_sys::fuzz_target;

struct World {
    issuer: Issuer,
    tokens: Vec<String>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let author = Chain::new().author(Kind::Store, 1_017, "C");
    let now = chrono::Utc::now();
    let of = |user: i64| token::issue(&author, &Claims::new(user, None, Hlc(0), now)).unwrap();
    let tokens = vec![of(101_017), of(1), token::issue(&author, &Claims::of_guest(now)).unwrap()];
    let key = author.key().verifying_key();
    World { issuer: Issuer { uuid: author.id.uuid, kind: Kind::Store, key }, tokens }
});

fuzz_target!(|input: &[u8]| {
    // The text as it comes, and a good token with one byte changed.
    let text = String::from_utf8_lossy(input);
    let [which, flip, low, high] = *input.first_chunk().unwrap_or(&[0; 4]);
    let at = u16::from_le_bytes([low, high]);
    let mut bent = WORLD.tokens[usize::from(which) % WORLD.tokens.len()].clone().into_bytes();
    let at = usize::from(at) % bent.len();
    bent[at] ^= flip & 0x7f;
    let bent = String::from_utf8_lossy(&bent).into_owned();
    for text in [&*text, &*bent] {
        let Ok(token) = Unverified::parse(text) else { continue };
        let now = chrono::Utc::now() + Duration::from_secs(1);
        if token.verify(&WORLD.issuer, "fuzz", now).is_ok() {
            assert!(WORLD.tokens.iter().any(|good| *good == text), "a token that nobody signed is good: {text}");
        }
    }
});
