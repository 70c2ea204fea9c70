//! Where the events of a turn come from: one call, or as many as it takes to see the turn's end.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tonic::Streaming;

use crate::Error;
use crate::rejoining::Rejoining;
use crate::turn::Seen;
use crate::v1::StreamChatResponse;

pub(crate) enum Events {
    /// Those of one call, which ends with the turn.
    OfOneCall {
        stream: Box<Streaming<StreamChatResponse>>,
        attempt_count: u32,
    },
    /// Those of a turn that is rejoined.
    Rejoining(Box<Rejoining>),
}

impl Events {
    /// The next one; an error and `None` are the turn's end. `seen`: what came before.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        seen: &Seen,
    ) -> Poll<Option<Result<StreamChatResponse, Error>>> {
        match self {
            Self::OfOneCall { stream, attempt_count } => Pin::new(&mut **stream)
                .poll_next(context)
                .map_err(|status| Error::of_call(status, *attempt_count, true)),
            Self::Rejoining(rejoining) => rejoining.poll_next(context, seen),
        }
    }
}
