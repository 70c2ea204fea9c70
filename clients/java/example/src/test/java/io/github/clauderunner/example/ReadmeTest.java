package io.github.clauderunner.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The snippets of the README are code of this folder, word for word. */
class ReadmeTest {
  private static final Pattern SNIPPET =
      Pattern.compile("<!-- (\\S+\\.java) -->\n```java\n(.*?)```", Pattern.DOTALL);

  private static String readme() throws IOException {
    return Files.readString(Path.of("../README.md"));
  }

  @Test
  void every_snippet_names_its_file() throws IOException {
    long snippets =
        Pattern.compile("^```java$", Pattern.MULTILINE).matcher(readme()).results().count();
    assertTrue(snippets > 0);
    assertEquals(snippets, SNIPPET.matcher(readme()).results().count());
  }

  @TestFactory
  java.util.stream.Stream<DynamicTest> every_snippet_is_in_its_file() throws IOException {
    return SNIPPET.matcher(readme()).results().map(ReadmeTest::isInItsFile);
  }

  private static DynamicTest isInItsFile(MatchResult snippet) {
    return DynamicTest.dynamicTest(
        snippet.group(1),
        () -> {
          String code = unindented(Files.readString(Path.of("..", snippet.group(1))));
          String shown = unindented(snippet.group(2));
          assertTrue(code.contains(shown), () -> "not in " + snippet.group(1) + ":\n" + shown);
        });
  }

  private static String unindented(String code) {
    return code.lines().map(String::strip).collect(Collectors.joining("\n"));
  }

  @Test
  void the_version_to_install_is_this_one() throws IOException {
    var version = Pattern.compile("^  <version>(.+)</version>$", Pattern.MULTILINE);
    var pom = version.matcher(Files.readString(Path.of("../pom.xml")));
    assertTrue(pom.find());
    assertTrue(readme().contains("<version>" + pom.group(1) + "</version>"));
    assertTrue(readme().contains("claude-runner-client:" + pom.group(1) + "\""));
  }
}
