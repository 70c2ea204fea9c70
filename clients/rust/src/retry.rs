//! Whether and when a refused call is sent again: the rules of gRPC's own retry (gRFC A6), which tonic does not have.
//!
//! Pure decisions and the counter behind them. `attempts` carries them out.

use std::sync::Mutex;
use std::time::Duration;

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// How often a call is sent at most, the first time included.
const MAX_ATTEMPTS: u32 = 4;
const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// How far a wait may be from its nominal length, as a share of it: many callers that were refused together shall not
/// come back together.
const JITTER: f64 = 0.2;

const PUSHBACK_KEY: &str = "grpc-retry-pushback-ms";

/// What the server says about sending the call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushback {
    /// Nothing.
    Unsaid,
    /// Not before, and not after, so long.
    After(Duration),
    /// Never.
    Never,
}

impl Pushback {
    pub(crate) fn of(metadata: &MetadataMap) -> Self {
        let mut values = metadata.get_all(PUSHBACK_KEY).iter();
        let Some(value) = values.next() else {
            return Self::Unsaid;
        };
        let wait_ms = value.to_str().ok().and_then(|text| text.parse::<u32>().ok());
        match (wait_ms, values.next()) {
            (Some(wait_ms), None) => Self::After(Duration::from_millis(wait_ms.into())),
            // Negative, unreadable, or said twice.
            _ => Self::Never,
        }
    }
}

/// Why an attempt failed before anything of a response was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) pushback: Pushback,
}

impl Refusal {
    pub(crate) fn of(status: &Status) -> Self {
        Self {
            code: status.code(),
            pushback: Pushback::of(status.metadata()),
        }
    }

    /// Whether the server allows the same call once more, sooner or later.
    pub(crate) fn may_retry(self) -> bool {
        self.code == Code::Unavailable && self.pushback != Pushback::Never
    }

    /// Whether it is a sign that the server has too much to do, which throttles the retries of all calls.
    pub(crate) fn counts_against_server(self) -> bool {
        self.code == Code::Unavailable || self.pushback == Pushback::Never
    }
}

/// How far one call has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// How often it was sent.
    pub(crate) attempt_count: u32,
    /// How many waits in a row had a length of our own: they grow until the server says how long.
    backoff_count: u32,
}

impl Progress {
    /// How long to wait before the call is sent again, or `None` when the refusal is final. `jitter` is from 0 to 1.
    pub(crate) fn next_wait(&mut self, refusal: Refusal, is_throttled: bool, jitter: f64) -> Option<Duration> {
        if !refusal.may_retry() || is_throttled || self.attempt_count >= MAX_ATTEMPTS {
            return None;
        }
        if let Pushback::After(wait) = refusal.pushback {
            self.backoff_count = 0;
            return Some(wait);
        }
        let nominal = INITIAL_BACKOFF
            .saturating_mul(1 << self.backoff_count.min(16))
            .min(MAX_BACKOFF);
        self.backoff_count += 1;
        Some(nominal.mul_f64(1.0 - JITTER + 2.0 * JITTER * jitter))
    }
}

/// Stops the retries of a client when most of its calls are refused, since they would only add to the load.
///
/// A refusal takes a token and a call that went well gives a tenth back; with half of the tokens gone nothing is sent
/// again. The calls themselves are made all the same.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// In tenths of a token, so that sums are exact.
    tenths: Mutex<u32>,
}

const MAX_TENTHS: u32 = 100;
const REFUSAL_TENTHS: u32 = 10;
const SUCCESS_TENTHS: u32 = 1;

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            tenths: Mutex::new(MAX_TENTHS),
        }
    }

    /// Counts a refusal. Whether nothing may be sent again now.
    pub(crate) fn refused(&self) -> bool {
        self.change(|tenths| tenths.saturating_sub(REFUSAL_TENTHS)) <= MAX_TENTHS / 2
    }

    /// Counts a call that went well.
    pub(crate) fn succeeded(&self) {
        self.change(|tenths| (tenths + SUCCESS_TENTHS).min(MAX_TENTHS));
    }

    fn change(&self, to: impl FnOnce(u32) -> u32) -> u32 {
        // A panic elsewhere leaves a number that is as good as any.
        let mut tenths = self.tenths.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *tenths = to(*tenths);
        *tenths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(pushback: Pushback) -> Refusal {
        Refusal {
            code: Code::Unavailable,
            pushback,
        }
    }

    fn pushback_of(values: &[&'static str]) -> Pushback {
        let mut metadata = MetadataMap::new();
        for value in values {
            metadata.append(PUSHBACK_KEY, value.parse().unwrap());
        }
        Pushback::of(&metadata)
    }

    #[test]
    fn waits_double_and_stop_growing_and_the_fourth_refusal_is_final() {
        let mut progress = Progress::default();
        let mut waits = Vec::new();
        for attempt_count in 1..=4 {
            progress.attempt_count = attempt_count;
            waits.push(progress.next_wait(unavailable(Pushback::Unsaid), false, 0.5));
        }
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(waits, [ms(200), ms(400), ms(800), None]);

        let mut tireless = Progress {
            attempt_count: 1,
            backoff_count: 30,
        };
        assert_eq!(
            tireless.next_wait(unavailable(Pushback::Unsaid), false, 0.5),
            Some(MAX_BACKOFF)
        );
    }

    #[test]
    fn a_wait_of_our_own_is_up_to_a_fifth_longer_or_shorter() {
        let wait = |jitter| {
            Progress {
                attempt_count: 1,
                ..Progress::default()
            }
            .next_wait(unavailable(Pushback::Unsaid), false, jitter)
            .unwrap()
            .as_millis()
        };
        assert_eq!((wait(0.0), wait(0.5), wait(1.0)), (160, 200, 240));
    }

    #[test]
    fn the_wait_that_the_server_asks_for_is_kept_to_the_millisecond_and_our_own_begin_anew_after_it() {
        let mut progress = Progress {
            attempt_count: 1,
            backoff_count: 2,
        };
        let asked = unavailable(Pushback::After(Duration::from_millis(1_234)));
        assert_eq!(
            progress.next_wait(asked, false, 1.0),
            Some(Duration::from_millis(1_234))
        );
        assert_eq!(
            progress.next_wait(unavailable(Pushback::Unsaid), false, 0.5),
            Some(INITIAL_BACKOFF),
        );
    }

    #[test]
    fn a_push_back_that_is_negative_unreadable_or_said_twice_means_never() {
        for values in [&["-1"][..], &["soon"], &[""], &["1.5"], &["99999999999"], &["10", "10"]] {
            assert_eq!(pushback_of(values), Pushback::Never, "{values:?}");
        }
        assert_eq!(pushback_of(&[]), Pushback::Unsaid);
        assert_eq!(pushback_of(&["0"]), Pushback::After(Duration::ZERO));
        let mut progress = Progress {
            attempt_count: 1,
            ..Progress::default()
        };
        assert_eq!(progress.next_wait(unavailable(Pushback::Never), false, 0.5), None);
    }

    #[test]
    fn only_unavailable_is_sent_again_whatever_the_push_back() {
        for code in (0..17).map(Code::from_i32).filter(|code| *code != Code::Unavailable) {
            let refusal = Refusal {
                code,
                pushback: Pushback::After(Duration::ZERO),
            };
            let mut progress = Progress {
                attempt_count: 1,
                ..Progress::default()
            };
            assert_eq!(progress.next_wait(refusal, false, 0.5), None, "{code:?}");
            assert!(!refusal.counts_against_server(), "{code:?}");
        }
    }

    #[test]
    fn half_of_the_tokens_gone_stops_retries_and_ten_good_calls_pay_for_one_refusal() {
        let throttle = Throttle::new();
        let throttled: Vec<bool> = (0..5).map(|_| throttle.refused()).collect();
        assert_eq!(throttled, [false, false, false, false, true]);

        for _ in 0..10 {
            throttle.succeeded();
        }
        assert!(throttle.refused(), "six tokens less one are still half");
        for _ in 0..11 {
            throttle.succeeded();
        }
        assert!(!throttle.refused());
    }

    #[test]
    fn tokens_have_a_top_and_a_bottom() {
        let throttle = Throttle::new();
        for _ in 0..1_000 {
            throttle.succeeded();
        }
        assert_eq!((0..5).filter(|_| !throttle.refused()).count(), 4);
        for _ in 0..1_000 {
            throttle.refused();
        }
        for _ in 0..61 {
            throttle.succeeded();
        }
        assert!(!throttle.refused());
    }
}
