package io.github.clauderunner;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** Time and chance between the attempts of a call, for tests to own. */
interface RetryTime {
  RetryTime REAL =
      new RetryTime() {
        @Override
        public long nanos() {
          return System.nanoTime();
        }

        @Override
        public void await(CountDownLatch end, Duration wait) throws InterruptedException {
          end.await(wait.toNanos(), TimeUnit.NANOSECONDS);
        }

        @Override
        public double jitter() {
          return ThreadLocalRandom.current().nextDouble();
        }
      };

  /** From any point in time, as {@link System#nanoTime()}. */
  long nanos();

  /** Waits for so long, or until the end has come. */
  void await(CountDownLatch end, Duration wait) throws InterruptedException;

  /** From 0 to 1. */
  double jitter();
}
