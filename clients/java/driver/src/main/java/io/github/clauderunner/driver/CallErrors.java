package io.github.clauderunner.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import io.github.clauderunner.RunnerException;

/** A failed call as the suite reads it: through the accessors of the client's exception. */
final class CallErrors {
  private CallErrors() {}

  static JsonObject json(RunnerException failure) throws InvalidProtocolBufferException {
    var error = new JsonObject();
    error.addProperty("type", failure.getClass().getSimpleName());
    error.addProperty("code", failure.code().name());
    error.addProperty("reason", failure.reasonText());
    error.addProperty("message", failure.message());
    var facts = new JsonObject();
    failure.facts().forEach(facts::addProperty);
    error.add("facts", facts);
    failure.retryDelay().ifPresent(delay -> error.addProperty("retryDelayMs", delay.toMillis()));
    error.addProperty("mayRetry", failure.mayRetry());
    var violations = new JsonArray();
    for (var violation : failure.violations()) {
      var json = new JsonObject();
      json.addProperty("field", violation.getField());
      json.addProperty("description", violation.getDescription());
      violations.add(json);
    }
    error.add("violations", violations);
    if (failure.result().isPresent()) {
      error.add("result", ProtoJson.of(failure.result().get()));
    }
    return error;
  }
}
