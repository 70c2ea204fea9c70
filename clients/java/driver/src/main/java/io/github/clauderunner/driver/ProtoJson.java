package io.github.clauderunner.driver;

import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;

/** Messages of the contract in protobuf's JSON form. */
final class ProtoJson {
  private ProtoJson() {}

  static JsonElement of(Message message) throws InvalidProtocolBufferException {
    return JsonParser.parseString(JsonFormat.printer().print(message));
  }

  /** Reads into the builder, and gives it back. */
  static <B extends Message.Builder> B read(JsonElement json, B builder)
      throws InvalidProtocolBufferException {
    JsonFormat.parser().merge(json.toString(), builder);
    return builder;
  }
}
