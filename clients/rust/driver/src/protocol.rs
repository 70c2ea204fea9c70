//! The lines of `clients/suite/protocol.ts`, as far as this driver uses them. There every field is explained.

use std::collections::{BTreeMap, HashMap};

use claude_runner_client::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{Bug, messages};

/// A longer text is told by its size and digest only.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A server and how to get in.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) address: String,
    pub(crate) ca_file: Option<String>,
    pub(crate) token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
pub(crate) enum Command {
    Stream(StreamCommand),
    Text {
        target: Target,
        request: Value,
    },
    Chat(ChatCommand),
    Conversation {
        target: Target,
        prompts: Vec<String>,
    },
    Session(SessionCommand),
    Attach(AttachCommand),
    Kept {
        target: Target,
        method: KeptMethod,
        request: Value,
    },
    Info {
        target: Target,
    },
    Pool {
        target: Target,
    },
    Health {
        target: Target,
        service: String,
    },
    Reflect {
        target: Target,
    },
    Bench(BenchCommand),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamCommand {
    pub(crate) target: Target,
    pub(crate) request: Value,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) cancel_after_text_deltas: Option<u32>,
    pub(crate) leave_after_text_deltas: Option<u32>,
    pub(crate) retry: Option<bool>,
    #[serde(default)]
    pub(crate) rejoin: bool,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatCommand {
    pub(crate) target: Target,
    pub(crate) request: Value,
    #[serde(default)]
    pub(crate) idempotent: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionCommand {
    pub(crate) target: Target,
    pub(crate) session_id: String,
    pub(crate) prompts: Vec<String>,
    pub(crate) title: Option<String>,
    pub(crate) labels: Option<HashMap<String, String>>,
    pub(crate) busy_policy: Option<String>,
    pub(crate) allow_missing: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttachCommand {
    pub(crate) target: Target,
    pub(crate) turn_id: Option<String>,
    pub(crate) request_id: Option<String>,
    #[serde(default)]
    pub(crate) after_sequence: i32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum KeptMethod {
    CreateSession,
    GetSession,
    ListSessions,
    UpdateSession,
    DeleteSession,
    ForkSession,
    ListTurns,
    GetTurn,
    InterruptTurn,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BenchCommand {
    pub(crate) target: Target,
    pub(crate) request: Value,
    pub(crate) warm_up_count: u32,
    pub(crate) turn_count: u32,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamAnswer {
    pub(crate) kinds: Map<String, Value>,
    pub(crate) first_kind: String,
    pub(crate) last_kind: String,
    pub(crate) unknown_count: u32,
    pub(crate) gap_free: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gaps: Vec<Value>,
    pub(crate) event_count: u32,
    #[serde(flatten)]
    pub(crate) text: TextSeen,
    pub(crate) turn_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<Value>,
    pub(crate) attempt_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<CallError>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TextSeen {
    pub(crate) text_bytes: usize,
    pub(crate) text_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

impl TextSeen {
    pub(crate) fn of(text: String) -> Self {
        let digest = Sha256::digest(&text);
        Self {
            text_bytes: text.len(),
            text_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            text: (text.len() <= MAX_TEXT_BYTES).then_some(text),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TextAnswer {
    pub(crate) piece_count: usize,
    #[serde(flatten)]
    pub(crate) text: TextSeen,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<CallError>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversationAnswer {
    pub(crate) turns: Vec<ConversationTurn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<CallError>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversationTurn {
    pub(crate) text: String,
    pub(crate) seeded_message_count: i32,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionAnswer {
    pub(crate) turns: Vec<SessionTurn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<CallError>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionTurn {
    pub(crate) text: String,
    pub(crate) turn_id: String,
    pub(crate) started: Value,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BenchAnswer {
    pub(crate) first_text_ms: Vec<f64>,
    pub(crate) total_ms: Vec<f64>,
    pub(crate) event_counts: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<CallError>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallError {
    r#type: &'static str,
    code: &'static str,
    reason: String,
    message: String,
    facts: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_delay_ms: Option<u128>,
    may_retry: bool,
    violations: Vec<Violation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Violation {
    field: String,
    description: String,
}

impl CallError {
    pub(crate) fn of(error: &Error) -> Result<Self, Bug> {
        let violations = error.violations().iter();
        Ok(Self {
            r#type: "claude_runner_client::Error",
            code: error.code_name(),
            reason: error.reason_text().to_owned(),
            message: error.message().to_owned(),
            facts: error.facts().clone(),
            retry_delay_ms: error.retry_delay().map(|delay| delay.as_millis()),
            may_retry: error.may_retry(),
            violations: violations
                .map(|each| Violation {
                    field: each.field.clone(),
                    description: each.description.clone(),
                })
                .collect(),
            result: error.result().map(messages::to_json).transpose()?,
        })
    }
}
