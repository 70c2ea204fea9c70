//! Finds out which versions the driver is made with, for its hello.

use std::error::Error;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let rustc = Command::new(std::env::var("RUSTC")?).arg("--version").output()?;
    let rustc = String::from_utf8(rustc.stdout)?;
    let rust_version = rustc.split(' ').nth(1).ok_or("rustc does not tell its version")?;
    println!("cargo:rustc-env=RUST_VERSION={rust_version}");

    let lock_file = "../Cargo.lock";
    println!("cargo:rerun-if-changed={lock_file}");
    let locked = std::fs::read_to_string(lock_file)?;
    let (_, tonic) = locked
        .split_once("name = \"tonic\"\nversion = \"")
        .ok_or("tonic is not locked")?;
    let tonic_version = tonic.split('"').next().unwrap_or_default();
    println!("cargo:rustc-env=TONIC_VERSION={tonic_version}");
    Ok(())
}
