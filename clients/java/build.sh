#!/usr/bin/env bash
# Generates from the contract and compiles client, driver and example, into target/ folders. Needs Java 17 and Maven only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# Short runs are twice as fast without the second compiler.
export MAVEN_OPTS="-XX:TieredStopAtLevel=1 ${MAVEN_OPTS:-}"

built=target/built
poms=(pom.xml client/pom.xml driver/pom.xml example/pom.xml)
if [[ -e $built && -z $(find "${poms[@]}" client/src driver/src example/src ../proto -newer $built -print -quit) ]]; then
  echo "clients/java: nothing has changed since it was built"
  exit
fi
if [[ -e $built && -n $(find "${poms[@]}" -newer $built -print -quit) ]]; then
  echo "== clean, since a pom has changed"
  rm -rf target {client,driver,example}/target
fi
mkdir -p target
touch target/begun
echo "== generate, compile and package client, driver and example"
mvn -B -ntp -Dstyle.color=never -q package -DskipTests
mv target/begun $built
