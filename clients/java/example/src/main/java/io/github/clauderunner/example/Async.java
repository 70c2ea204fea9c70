package io.github.clauderunner.example;

import io.github.clauderunner.ClaudeRunnerClient;
import io.github.clauderunner.v1.PoolServiceGrpc;
import io.github.clauderunner.v1.WatchPoolRequest;
import io.github.clauderunner.v1.WatchPoolResponse;
import io.grpc.stub.StreamObserver;

/** Calls that wait on no thread, through the generated stubs. */
final class Async {
  private Async() {}

  static void watchPool(ClaudeRunnerClient runner, StreamObserver<WatchPoolResponse> observer) {
    var pool = PoolServiceGrpc.newStub(runner.channel());
    pool.watchPool(WatchPoolRequest.getDefaultInstance(), observer);
  }
}
