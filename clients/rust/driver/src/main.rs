//! The driver of the behaviour suite: reads commands as lines of JSON, carries each out with the client as its users
//! would, and tells what it saw. `clients/suite/README.md` has the rules.

mod clients;
mod commands;
mod messages;
mod protocol;

use std::error::Error;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Stdout, stdin, stdout};

use crate::clients::Clients;

/// A mistake of the driver's own, or of a command; never what a call failed with.
type Bug = Box<dyn Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Bug> {
    let mut clients = Clients::default();
    let mut lines = BufReader::new(stdin()).lines();
    let mut out = stdout();
    write_line(&mut out, &hello()).await?;
    while let Some(line) = lines.next_line().await? {
        let command: Value = serde_json::from_str(&line)?;
        let id = command["id"].clone();
        let answer = match commands::carry_out(command, &mut clients).await {
            Ok(answer) => json!({ "id": id, "answer": answer }),
            Err(bug) => json!({ "id": id, "bug": bug.to_string() }),
        };
        write_line(&mut out, &answer).await?;
    }
    Ok(())
}

fn hello() -> Value {
    json!({ "hello": {
        "language": "rust",
        "runtime": concat!("tonic ", env!("TONIC_VERSION")),
        "languageVersion": concat!("Rust ", env!("RUST_VERSION")),
    } })
}

async fn write_line(out: &mut Stdout, value: &Value) -> Result<(), Bug> {
    out.write_all(format!("{value}\n").as_bytes()).await?;
    out.flush().await?;
    Ok(())
}
