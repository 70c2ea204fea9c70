//! Generates the messages and calls from `proto/`, parsed in Rust: no `protoc` is needed.

use std::error::Error;
use std::path::PathBuf;

const PACKAGE_FOLDER: &str = "proto/claude/runner/v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PACKAGE_FOLDER}");
    let mut files: Vec<PathBuf> = std::fs::read_dir(PACKAGE_FOLDER)?
        .map(|entry| entry.map(|file| file.path()))
        .collect::<Result<_, _>>()?;
    files.sort();

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(&files)?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .build_server(false)
        // Requests are repeated by cloning them, and pictures are large.
        .bytes(".")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;

    // The contract for programs that need it at run time, without comments.
    let contract = compiler.include_source_info(false).encode_file_descriptor_set();
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out_dir.join("contract.binpb"), contract)?;
    Ok(())
}
