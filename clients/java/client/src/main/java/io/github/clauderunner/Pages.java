package io.github.clauderunner;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Queue;
import java.util.function.Function;

/** A list that comes in pages: each is asked for when the one before it has been read. */
final class Pages<T> implements Iterable<T> {
  /** One page, and the token of the next one: empty after the last. */
  record Page<T>(Iterable<T> items, String nextToken) {}

  private final Function<String, Page<T>> ask;

  /**
   * Of a list.
   *
   * @param ask returns the page of a token; the first one has the empty token
   */
  Pages(Function<String, Page<T>> ask) {
    this.ask = ask;
  }

  /** Begins the list anew. */
  @Override
  public Iterator<T> iterator() {
    return new Iterator<>() {
      private final Queue<T> items = new ArrayDeque<>();
      private String token = "";
      private boolean isLast;

      @Override
      public boolean hasNext() {
        while (items.isEmpty() && !isLast) {
          Page<T> page = ask.apply(token);
          page.items().forEach(items::add);
          token = page.nextToken();
          isLast = token.isEmpty();
        }
        return !items.isEmpty();
      }

      @Override
      public T next() {
        if (!hasNext()) {
          throw new NoSuchElementException("the list is over");
        }
        return items.remove();
      }
    };
  }
}
