/**
 * A turn that is streamed, one that is cancelled, a conversation, a session, a stream that rejoins its turn, and a request that
 * is refused.
 *
 * `../example.sh` runs it against CLAUDE_RUNNER_ADDRESS with CLAUDE_RUNNER_TOKEN.
 */
import { ClaudeRunnerError, connect, Outcome } from "../src/node.ts";

using client = connect();

console.log("== a turn");
const turn = client.stream("Say hello");
for await (const piece of turn.text()) process.stdout.write(piece);
const { usage, costUsdMicros, stages } = await turn.result();
console.log(`\n${usage?.outputTokenCount} tokens, ${costUsdMicros} µ$, ${stages?.total?.nanos} ns and a bit`);

console.log("== a turn that is left early");
for await (const { event } of client.stream({ prompt: "Count to a million", profile: "default" })) {
  if (event.case === "textDelta") {
    console.log(`that will do: ${event.value.text.trim()}`);
    break;
  }
}

console.log("== a conversation");
const talk = client.conversation();
for (const prompt of ["My name is Ada.", "What is my name?"]) {
  const answer = talk.stream(prompt);
  await answer.result();
  console.log(`${prompt} → ${answer.collectedText}`);
}

console.log("== a session");
const session = client.session(`example-${process.pid}`, { title: "An example" });
for (const prompt of ["My name is Ada.", "What is my name?"]) {
  const { text } = await session.chat(prompt, { idempotent: true });
  console.log(`${prompt} → ${text}`);
}
for await (const { id, prompt } of session.turns()) console.log(`${id}: ${prompt[0]?.text}`);
await session.delete();

console.log("== a stream that rejoins its turn");
const lasting = client.stream("Say hello", { rejoin: true });
for await (const piece of lasting.text()) process.stdout.write(piece);
const { outcome } = await client.attach(lasting.turnId).result();
console.log(`\nread again: ${outcome === Outcome.COMPLETED ? "completed" : "ended early"}`);

console.log("== a request that is refused");
try {
  await client.chat({ prompt: "", profile: "Not a profile" });
} catch (error) {
  if (!(error instanceof ClaudeRunnerError)) throw error;
  console.log(`${error.codeName} ${error.reasonName}`);
  for (const { field, description } of error.violations) console.log(`  ${field}: ${description}`);
}

console.log("== a limit is a result");
const limited = await client.chat({ prompt: "Write a long story", limits: { maxOutputBytes: 10n } });
console.log(limited.result?.outcome === Outcome.OUTPUT_LIMIT ? "stopped at 10 bytes" : "it was a short one");
