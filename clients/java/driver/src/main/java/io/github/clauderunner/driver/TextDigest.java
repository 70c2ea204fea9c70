package io.github.clauderunner.driver;

import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** A text as answers tell it: size and hash, and itself when it is short. */
final class TextDigest {
  private static final int MAX_BYTES = 64 << 10;

  private TextDigest() {}

  static void add(JsonObject answer, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    answer.addProperty("textBytes", bytes.length);
    answer.addProperty("textSha256", sha256(bytes));
    if (bytes.length <= MAX_BYTES) {
      answer.addProperty("text", text);
    }
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
