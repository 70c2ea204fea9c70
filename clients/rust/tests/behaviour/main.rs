//! What the client does, against servers that do exactly what each test says.

mod connection;
mod conversation;
mod errors;
mod idempotent;
mod kept;
mod rejoin;
mod retry;
mod scripted;
mod turn;
