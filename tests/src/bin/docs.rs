//! Writes the parts of the pages in `docs/` that are made from the contract and the schema.

#![allow(clippy::unwrap_used, reason = "a page that cannot be written is an error for its writer")]

use std::{fs, process::ExitCode};

use codepop_tests::docs;

fn main() -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for page in docs::read() {
        match docs::filled(&page) {
            Ok(text) if text == page.text => {}
            Ok(text) => {
                fs::write(&page.path, text).unwrap();
                println!("{} is up to date now", page.name);
            }
            Err(what) => {
                eprintln!("{what}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}
