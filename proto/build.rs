//! Compiles the contract with protox: no `protoc` is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;
use tonic_prost_build::FileDescriptorSet;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> Result<(), Box<dyn Error>> {
    let protos = protos_under(&PathBuf::from(ROOT).join("codepop"))?;
    println!("cargo:rerun-if-changed={ROOT}/codepop");
    println!("cargo:rerun-if-changed={ROOT}/google");

    // `include_source_info`: the gateway's OpenAPI page takes its sentences from the contract's comments.
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_source_info(true).include_imports(true).open_files(&protos)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // The bytes of protox keep the contract's own options, which prost's typed descriptors would drop.
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    let mut config = prost_build::Config::new();
    // Type names, because the kind of an event is the full name of its message.
    config.enable_type_names().bytes([".codepop.journal.v1"]);
    let descriptors = FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice())?;
    tonic_prost_build::configure().compile_fds_with_config(without_foreign_comments(descriptors), config)?;
    Ok(())
}

/// Drops the comments of imported standard files, which are not written as Rust documentation.
fn without_foreign_comments(mut set: FileDescriptorSet) -> FileDescriptorSet {
    for file in &mut set.file {
        if !file.package().starts_with("codepop") {
            file.source_code_info = None;
        }
    }
    set
}

fn protos_under(folder: &PathBuf) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(protos_under(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "proto") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
