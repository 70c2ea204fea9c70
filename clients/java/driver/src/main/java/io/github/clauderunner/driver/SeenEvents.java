package io.github.clauderunner.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import io.github.clauderunner.v1.StreamChatResponse;
import java.util.LinkedHashMap;
import java.util.Map;

/** What is told about the events of a turn. */
final class SeenEvents {
  private final Map<String, Integer> kinds = new LinkedHashMap<>();
  private String firstKind = "";
  private String lastKind = "";
  private final JsonArray gaps = new JsonArray();
  private final int afterSequence;
  private int count;
  private int heartbeatCount;
  private int lastSequence;
  private boolean isAscending = true;

  /** Of a turn that is read from the event after this one on. */
  SeenEvents(int afterSequence) {
    this.afterSequence = afterSequence;
    lastSequence = afterSequence;
  }

  void add(StreamChatResponse event) throws InvalidProtocolBufferException {
    String kind = kindOf(event);
    if (count == 0) {
      firstKind = kind;
    }
    lastKind = kind;
    kinds.merge(kind, 1, Integer::sum);
    count += 1;
    if (event.hasHeartbeat()) {
      heartbeatCount += 1;
      isAscending &= event.getSequence() >= lastSequence;
      return;
    }
    isAscending &= event.getSequence() > lastSequence;
    lastSequence = event.getSequence();
    if (event.hasGap()) {
      gaps.add(ProtoJson.of(event.getGap()));
    }
  }

  int textDeltaCount() {
    return kinds.getOrDefault("text_delta", 0);
  }

  /** By proto name. */
  private static String kindOf(StreamChatResponse event) {
    return StreamChatResponse.getDescriptor()
        .findFieldByNumber(event.getEventCase().getNumber())
        .getName();
  }

  /** With the events that the client skipped, whose sequences it does not show. */
  void addTo(JsonObject answer, int unknownCount) {
    var counts = new JsonObject();
    kinds.forEach(counts::addProperty);
    answer.add("kinds", counts);
    answer.addProperty("firstKind", firstKind);
    answer.addProperty("lastKind", lastKind);
    answer.addProperty("unknownCount", unknownCount);
    answer.addProperty("eventCount", count + unknownCount);
    // Sequences that are missing between those of known events are those of skipped ones, or a gap.
    int missing = lastSequence - afterSequence - (count - heartbeatCount);
    answer.addProperty("gapFree", isAscending && gaps.isEmpty() && missing <= unknownCount);
    if (!gaps.isEmpty()) {
      answer.add("gaps", gaps);
    }
  }
}
