package io.github.clauderunner.driver;

import com.google.gson.JsonObject;
import io.github.clauderunner.v1.StreamChatResponse;
import java.util.LinkedHashMap;
import java.util.Map;

/** What is told about the events of a turn. */
final class SeenEvents {
  private final Map<String, Integer> kinds = new LinkedHashMap<>();
  private String firstKind = "";
  private String lastKind = "";
  private int count;
  private int lastSequence;
  private boolean isAscending = true;

  void add(StreamChatResponse event) {
    String kind = kindOf(event);
    if (count == 0) {
      firstKind = kind;
    }
    lastKind = kind;
    kinds.merge(kind, 1, Integer::sum);
    isAscending &= event.getSequence() > lastSequence;
    lastSequence = event.getSequence();
    count += 1;
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
    answer.addProperty("gapFree", isAscending && lastSequence - count <= unknownCount);
  }
}
