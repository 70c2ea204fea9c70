#!/usr/bin/env bash
# Checks format, warnings and tests, makes the package that is published, and uses it from an empty Maven project elsewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
./build.sh
export MAVEN_OPTS="-XX:TieredStopAtLevel=1 ${MAVEN_OPTS:-}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "== format, warnings, tests, package with sources and javadoc"
# Deployed into a folder, as a repository has it; nothing is installed into Maven's cache.
mvn -B -ntp -Dstyle.color=never spotless:check deploy -Prelease -Dmaven.install.skip=true \
  -DaltDeploymentRepository="check::file://$scratch/published" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
grep -E '^\[(WARNING|INFO)\] Tests run:.*[0-9]$' "$scratch/log"

echo "== an empty project elsewhere depends on the package and makes the first call"
project="$scratch/project"
mkdir -p "$project/src/main/java"
grep -v '^package' example/src/main/java/io/github/clauderunner/example/FirstCall.java >"$project/src/main/java/FirstCall.java"
version=$(sed -n 's|^  <version>\(.*\)</version>|\1|p' pom.xml)
# What others have published comes out of Maven's cache as far as it is there, into a local repository of the project's own:
# so the package can only come from where it was published to.
repositories=$(for name in published cache; do
  url=$([[ $name == cache ]] && echo "file://$HOME/.m2/repository" || echo "file://$scratch/published")
  echo "<KIND><id>$name</id><url>$url</url></KIND>"
done)
cat >"$project/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId>
  <artifactId>elsewhere</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <repositories>${repositories//KIND/repository}</repositories>
  <pluginRepositories>${repositories//KIND/pluginRepository}</pluginRepositories>
  <dependencies>
    <dependency>
      <groupId>io.github.claude-runner</groupId>
      <artifactId>claude-runner-client</artifactId>
      <version>$version</version>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin><artifactId>maven-resources-plugin</artifactId><version>3.5.0</version></plugin>
      <plugin><artifactId>maven-compiler-plugin</artifactId><version>3.16.0</version></plugin>
      <plugin><artifactId>maven-dependency-plugin</artifactId><version>3.11.0</version></plugin>
    </plugins>
  </build>
</project>
POM
mvn -B -ntp -Dstyle.color=never -q -f "$project/pom.xml" -Dmaven.repo.local="$scratch/repository" compile dependency:build-classpath \
  -Dmdep.outputFile="$scratch/classpath"
# Nobody listens on port 1: that the client finds out by itself shows that its transport came along.
if CLAUDE_RUNNER_ADDRESS=127.0.0.1:1 CLAUDE_RUNNER_TOKEN=none \
  java -cp "$project/target/classes:$(<"$scratch/classpath")" FirstCall >"$scratch/output" 2>&1 ||
  ! grep 'RunnerException: UNAVAILABLE' "$scratch/output"; then
  cat "$scratch/output"
  exit 1
fi
echo "== clients/java is in order"
