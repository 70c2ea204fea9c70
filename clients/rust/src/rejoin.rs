//! When a stream that broke is rejoined: what counts as broken, and for how long it is tried.
//!
//! Pure decisions. `rejoining` and `idempotent` carry them out.

use std::time::Duration;

use tonic::Code;

use crate::retry::Pushback;

/// For how long a turn is tried without a sign of it before it is given up, unless the caller says.
pub(crate) const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);

const INITIAL_WAIT: Duration = Duration::from_millis(200);
const MAX_WAIT: Duration = Duration::from_secs(10);
const JITTER: f64 = 0.2;

/// Whether a call ended since something on the way broke, or since the server takes no calls for the moment, and not by a
/// word of the server about its turn. Whatever the server says has a reason.
pub(crate) fn is_break(code: Code, reason: &str) -> bool {
    match reason {
        "" => matches!(
            code,
            Code::Unavailable | Code::Internal | Code::Unknown | Code::Cancelled
        ),
        "READER_BEHIND" | "POOL_DRAINING" | "STORE_UNAVAILABLE" => true,
        _ => false,
    }
}

/// What a refusal to attach to a turn means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachRefusal {
    /// Nothing about the turn: try again.
    ForNow,
    /// There is no such turn.
    NotFound,
    /// It stays refused.
    Final,
}

impl AttachRefusal {
    pub(crate) fn of(code: Code, reason: &str, pushback: Pushback) -> Self {
        if is_break(code, reason) {
            return Self::ForNow;
        }
        match (reason, code) {
            ("TURN_NOT_FOUND", _) => Self::NotFound,
            // Readers whose connection broke a moment ago count until the server has noticed.
            ("QUOTA_EXCEEDED", _) => Self::ForNow,
            (_, Code::Unavailable) if pushback != Pushback::Never => Self::ForNow,
            _ => Self::Final,
        }
    }
}

/// How long a stream without news is tried: at once, then after waits that double up to a bound, until the time is up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    limit: Duration,
    /// How many tries in a row brought nothing.
    try_count: u32,
}

impl Patience {
    pub(crate) fn of(limit: Duration) -> Self {
        Self { limit, try_count: 0 }
    }

    /// Something came.
    pub(crate) fn renew(&mut self) {
        self.try_count = 0;
    }

    /// How long to wait before the next try, or `None` when it has been tried for long enough. `jitter` is from 0 to 1.
    pub(crate) fn next_wait(&mut self, without_news: Duration, pushback: Pushback, jitter: f64) -> Option<Duration> {
        let left = self.limit.checked_sub(without_news).filter(|left| !left.is_zero())?;
        let tries = self.try_count;
        self.try_count += 1;
        let wait = match (pushback, tries) {
            (Pushback::After(wait), _) => wait,
            (_, 0) => Duration::ZERO,
            (_, tries) => {
                let nominal = INITIAL_WAIT.saturating_mul(1 << (tries - 1).min(16)).min(MAX_WAIT);
                nominal.mul_f64(1.0 - JITTER + 2.0 * JITTER * jitter)
            }
        };
        // The last try comes when the time is up, and not after it.
        Some(wait.min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_no_break_unless_it_is_about_the_call() {
        for code in [Code::Unavailable, Code::Internal, Code::Unknown, Code::Cancelled] {
            assert!(is_break(code, ""), "{code:?}");
            assert!(!is_break(code, "WORKER_DIED"), "{code:?}");
        }
        for code in [Code::DeadlineExceeded, Code::Unauthenticated, Code::ResourceExhausted] {
            assert!(!is_break(code, ""), "{code:?}");
        }
        assert!(is_break(Code::Aborted, "READER_BEHIND"));
        assert!(is_break(Code::Unavailable, "POOL_DRAINING"));
        assert!(is_break(Code::Unavailable, "STORE_UNAVAILABLE"));
    }

    #[test]
    fn a_refusal_to_attach_is_final_unless_it_is_for_now() {
        let refusal = |code, reason| AttachRefusal::of(code, reason, Pushback::Unsaid);
        assert_eq!(refusal(Code::Unavailable, ""), AttachRefusal::ForNow);
        assert_eq!(refusal(Code::Unavailable, "STORE_UNAVAILABLE"), AttachRefusal::ForNow);
        assert_eq!(
            refusal(Code::ResourceExhausted, "QUOTA_EXCEEDED"),
            AttachRefusal::ForNow
        );
        assert_eq!(refusal(Code::NotFound, "TURN_NOT_FOUND"), AttachRefusal::NotFound);
        assert_eq!(refusal(Code::Unauthenticated, "UNAUTHENTICATED"), AttachRefusal::Final);
        assert_eq!(refusal(Code::OutOfRange, "INVALID_CURSOR"), AttachRefusal::Final);
        let never = AttachRefusal::of(Code::Unavailable, "UPSTREAM_OVERLOADED", Pushback::Never);
        assert_eq!(never, AttachRefusal::Final);
    }

    #[test]
    fn the_first_try_is_at_once_and_waits_double_to_a_bound_and_begin_anew_after_news() {
        let mut patience = Patience::of(Duration::from_secs(60));
        let wait = |patience: &mut Patience| patience.next_wait(Duration::ZERO, Pushback::Unsaid, 0.5).unwrap();
        let waits: Vec<u128> = (0..9).map(|_| wait(&mut patience).as_millis()).collect();
        assert_eq!(waits, [0, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        patience.renew();
        assert_eq!(wait(&mut patience).as_millis(), 0);
    }

    #[test]
    fn a_wait_has_jitter_and_is_the_servers_where_it_says_so() {
        let wait = |pushback, jitter| {
            let mut patience = Patience::of(Duration::from_secs(60));
            patience.next_wait(Duration::ZERO, Pushback::Unsaid, jitter);
            patience
                .next_wait(Duration::ZERO, pushback, jitter)
                .unwrap()
                .as_millis()
        };
        assert_eq!((wait(Pushback::Unsaid, 0.0), wait(Pushback::Unsaid, 1.0)), (160, 240));
        assert_eq!(wait(Pushback::After(Duration::from_millis(1_234)), 1.0), 1_234);
    }

    #[test]
    fn the_last_wait_ends_with_the_time_and_then_there_is_none() {
        let mut patience = Patience::of(Duration::from_secs(2));
        let asked = Pushback::After(Duration::from_secs(5));
        let without_news = Duration::from_millis(1_500);
        assert_eq!(
            patience.next_wait(without_news, asked, 0.5),
            Some(Duration::from_millis(500))
        );
        assert_eq!(patience.next_wait(Duration::from_secs(2), asked, 0.5), None);
        assert_eq!(patience.next_wait(Duration::from_secs(3), asked, 0.5), None);
    }
}
