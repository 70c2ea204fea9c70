package io.github.clauderunner;

import java.util.regex.Pattern;

/** Which texts are the address of a server. Says what is wrong with others before gRPC guesses. */
final class ServerAddress {
  /** Where a server on this machine listens unless it is told otherwise. */
  static final String DEFAULT = "127.0.0.1:7433";

  private static final Pattern HOST_AND_PORT =
      Pattern.compile("(\\[[0-9A-Fa-f:.]+(%[^\\]\\s]+)?\\]|[^\\s:/\\[\\]]+):[0-9]{1,5}");

  private ServerAddress() {}

  /**
   * The address as a gRPC target.
   *
   * @throws IllegalArgumentException if it is neither {@code host:port} nor a {@code dns:} target
   */
  static String target(String address) {
    if (HOST_AND_PORT.matcher(address).matches() || address.startsWith("dns:")) {
      return address;
    }
    throw new IllegalArgumentException(
        "the address must be host:port, such as "
            + DEFAULT
            + ", but it is \""
            + address
            + "\"; TLS is turned on with tls() or caFile(…), not by a scheme");
  }
}
