package io.github.clauderunner.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import io.github.clauderunner.ClaudeRunnerClient;
import io.github.clauderunner.RunnerException;
import io.grpc.Channel;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.reflection.v1.ServiceResponse;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** The commands that ask about the server. */
final class ServerCommands {
  private static final long DEADLINE_SECONDS = 30;

  private final Connections connections;

  ServerCommands(Connections connections) {
    this.connections = connections;
  }

  JsonObject info(JsonObject command) throws InvalidProtocolBufferException {
    return response(command, ClaudeRunnerClient::info);
  }

  JsonObject pool(JsonObject command) throws InvalidProtocolBufferException {
    return response(command, ClaudeRunnerClient::pool);
  }

  private JsonObject response(JsonObject command, Function<ClaudeRunnerClient, Message> call)
      throws InvalidProtocolBufferException {
    var answer = new JsonObject();
    try {
      answer.add("response", ProtoJson.of(call.apply(connections.of(command))));
    } catch (RunnerException e) {
      answer.add("error", CallErrors.json(e));
    }
    return answer;
  }

  JsonObject health(JsonObject command) throws InvalidProtocolBufferException {
    var answer = new JsonObject();
    var request =
        HealthCheckRequest.newBuilder().setService(command.get("service").getAsString()).build();
    try {
      var response =
          HealthGrpc.newBlockingStub(connections.of(command).channel())
              .withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS)
              .check(request);
      answer.addProperty("status", response.getStatus().name());
    } catch (StatusRuntimeException e) {
      answer.add("error", CallErrors.json(RunnerException.from(e)));
    }
    return answer;
  }

  JsonObject reflect(JsonObject command)
      throws InvalidProtocolBufferException, InterruptedException {
    var answer = new JsonObject();
    try {
      var services = new JsonArray();
      listServices(connections.of(command).channel()).forEach(services::add);
      answer.add("services", services);
    } catch (ExecutionException e) {
      answer.add("error", CallErrors.json(RunnerException.from(e.getCause())));
    }
    return answer;
  }

  private static List<String> listServices(Channel channel)
      throws ExecutionException, InterruptedException {
    var listed = new CompletableFuture<List<String>>();
    var requests =
        ServerReflectionGrpc.newStub(channel)
            .withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS)
            .serverReflectionInfo(new ListReader(listed));
    requests.onNext(ServerReflectionRequest.newBuilder().setListServices("*").build());
    requests.onCompleted();
    return listed.get();
  }

  private record ListReader(CompletableFuture<List<String>> listed)
      implements StreamObserver<ServerReflectionResponse> {
    @Override
    public void onNext(ServerReflectionResponse response) {
      listed.complete(
          response.getListServicesResponse().getServiceList().stream()
              .map(ServiceResponse::getName)
              .toList());
    }

    @Override
    public void onError(Throwable failure) {
      listed.completeExceptionally(failure);
    }

    @Override
    public void onCompleted() {
      listed.completeExceptionally(new IllegalStateException("reflection listed nothing"));
    }
  }
}
