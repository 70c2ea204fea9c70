//! Ends a turn that goes on without its caller, when its caller leaves it.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::attempts::Attempts;
use crate::turns::TurnName;
use crate::v1::InterruptTurnRequest;
use crate::{Client, Error};

/// Nobody waits for the interrupt, so it must not last for ever.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Interrupts the turn when it is dropped, unless it was released before: as well as it can, in the background.
#[derive(Debug)]
pub(crate) struct InterruptOnDrop(Option<Interrupt>);

#[derive(Debug)]
struct Interrupt {
    client: Client,
    attempts: Attempts,
    turn: TurnName,
}

impl InterruptOnDrop {
    pub(crate) fn new(client: Client, attempts: &Attempts, turn: TurnName) -> Self {
        // The caller's deadline bounds the caller's wait, which is over by then.
        let attempts = attempts.without_deadline();
        Self(Some(Interrupt { client, attempts, turn }))
    }

    /// The turn's id is known.
    pub(crate) fn name(&mut self, turn_id: &str) {
        if let Some(interrupt) = &mut self.0
            && matches!(interrupt.turn, TurnName::RequestId(_))
        {
            interrupt.turn = TurnName::id(turn_id);
        }
    }

    /// The turn is over, or is meant to go on.
    pub(crate) fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        let Some(interrupt) = self.0.take() else { return };
        // Without a runtime there is no connection either.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(INTERRUPT_TIMEOUT, interrupt.make()));
        }
    }
}

impl Interrupt {
    async fn make(self) -> Result<(), Error> {
        let Self { client, attempts, turn } = self;
        let turn_id = match turn {
            TurnName::Id(turn_id) => turn_id,
            TurnName::RequestId(_) => {
                let turns = client.turn_service();
                let get = attempts.send(turn.into(), |request| {
                    let mut turns = turns.clone();
                    async move { turns.get_turn(request).await }
                });
                get.await?.answer.turn.unwrap_or_default().id
            }
        };
        let turns = client.turn_service();
        let interrupt = attempts.send(InterruptTurnRequest { turn_id }, |request| {
            let mut turns = turns.clone();
            async move { turns.interrupt_turn(request).await }
        });
        interrupt.await?;
        Ok(())
    }
}
