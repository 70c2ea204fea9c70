#![doc = include_str!("../README.md")]

mod answer_text;
mod attempts;
mod builder;
mod call;
mod client;
mod connection;
mod conversation;
mod error;
mod events;
mod idempotent;
mod interrupt;
mod joining;
mod pages;
mod rejoin;
mod rejoining;
mod request_id;
mod requests;
mod retry;
mod session;
mod transport;
mod turn;
mod turn_failure;
mod turns;

pub use builder::ClientBuilder;
pub use call::{Call, Streamed};
pub use client::Client;
pub use connection::Connection;
pub use conversation::{Conversation, ConversationTurn};
pub use error::{Error, Violation};
pub use pages::Pages;
pub use session::{Session, SessionUpdate};
pub use turn::{Text, Turn};
pub use turns::TurnName;

pub use v1::stream_chat_response::Event;

// What the generated messages are made of, in the versions that they need.
pub use {bytes, prost, prost_types, tonic};

/// The contract `claude.runner.v1`, generated: messages, enums and the calls of its services.
#[allow(missing_docs, unreachable_pub)]
#[allow(clippy::all, clippy::pedantic, rustdoc::all)]
pub mod v1 {
    tonic::include_proto!("claude.runner.v1");
}

/// The contract as an encoded `google.protobuf.FileDescriptorSet`, with all that it imports and without comments: for
/// programs that need it at run time, such as to read and write protobuf's JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contract.binpb"));
