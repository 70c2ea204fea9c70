import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { makeFakeCli } from "./fake-cli.ts";
import type { FakeScript } from "./script.ts";
import { type CliMessage, StreamJsonProcess } from "./stream-json-process.ts";

/** What the real CLI wrote in a recorded process. */
async function recorded(name: string): Promise<readonly CliMessage[]> {
  const file = new URL(`../fixtures/streams/${name}.jsonl`, import.meta.url);
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return lines
    .map((line) => JSON.parse(line) as { readonly dir: string; readonly msg: CliMessage })
    .filter(({ dir }) => dir === "out")
    .map(({ msg }) => msg);
}

/** Members that have come since the recordings; `fake-and-real.process.test.ts` compares them with the real CLI. */
const newMembers = ["sandbox_enabled", "begun_message_ids"];

/** Members and types, without what is in lists; those differ from one launch to the next. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return "list";
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  const members = Object.entries(value).filter(([name]) => !newMembers.includes(name));
  return Object.fromEntries(members.map(([name, member]) => [name, shapeOf(member)]));
}

/** The kind of a message, for the order in which they come. */
function kindOf({ type, subtype, event, state, status }: CliMessage): string {
  return [type, subtype, event?.type, state, status].filter((part) => part !== undefined).join(" ");
}

const args = ["--bare", "--model", "claude-opus-5-5"];
const env = { CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1", ANTHROPIC_API_KEY: "sk-ant-no-key" };
const helloText = "Hello there, general reply.";

/** Lets a fake do something and returns everything that it wrote. */
async function played(
  script: FakeScript,
  act: (cli: StreamJsonProcess) => Promise<unknown>,
): Promise<readonly CliMessage[]> {
  await using fake = await makeFakeCli(script);
  await using cli = new StreamJsonProcess({ path: fake.path, args, env });
  await act(cli);
  return cli.messages;
}

function from(messages: readonly CliMessage[], kind: string): readonly CliMessage[] {
  return messages.slice(messages.findIndex((message) => kindOf(message) === kind));
}

describe("the fake writes what the real CLI wrote, message by message and member by member,", () => {
  test("in a turn with text", async () => {
    const real = await recorded("text-happy");
    const fake = await played({ answer: { text: helloText } }, (cli) => cli.turn("Say hello. hello"));
    expect(fake.map(kindOf)).toEqual(real.map(kindOf));
    expect(fake.map(shapeOf)).toEqual(
      real.map((message) => {
        // Only in answers of the model itself, not in what the measured stand-in said.
        const { first_request_input_tokens: _a, first_request_cache_read_input_tokens: _b, ...rest } = message;
        return shapeOf(rest);
      }),
    );
    expect(Object.keys(fake.at(-3)!).indexOf("type")).toBeGreaterThan(0);
  });

  test("when text is interrupted", async () => {
    const real = (await recorded("interrupt-stream-with-queued")).filter(
      ({ type, command_uuid }) => !(type === "command_lifecycle" && command_uuid.startsWith("33333333")),
    );
    const end = real.findIndex(({ type }) => type === "result");
    const realEnd = from(real.slice(0, end + 1), "control_response");
    const fake = await played({ acts: [{ do: "hang" }] }, async (cli) => {
      const halfway = cli.until(({ event }) => event?.type === "content_block_delta");
      const idle = cli.untilIdle();
      cli.ask("Write a long text.");
      await halfway;
      await cli.control({ subtype: "interrupt" });
      await idle;
    });
    const fakeEnd = from(fake, "control_response").slice(0, realEnd.length);
    expect(fakeEnd.map(kindOf)).toEqual(realEnd.map(kindOf));
    // The API's last usage is an estimate there, with members of its own.
    const withoutUsage = ({ event, ...message }: CliMessage) =>
      shapeOf({ ...message, ...(event && { event: { ...event, usage: undefined } }) });
    expect(fakeEnd.map(withoutUsage)).toEqual(realEnd.map(withoutUsage));
  });

  test("when the conversation is cleared", async () => {
    const real = await recorded("clear");
    const fake = await played({ answer: { text: helloText } }, async (cli) => {
      await cli.control({ subtype: "initialize" });
      await cli.turn("My number is 7.");
      await cli.turn("/clear", { client_composed: undefined });
      await cli.turn("What is my number?");
    });
    expect(from(fake, "conversation_reset").map(kindOf)).toEqual(from(real, "conversation_reset").map(kindOf));
    const shapesOf = (messages: readonly CliMessage[]) => from(messages, "conversation_reset").slice(0, 6).map(shapeOf);
    expect(shapesOf(fake)).toEqual(shapesOf(real));
  });

  test("when history is seeded and rewound", async () => {
    const real = await recorded("seeded-history");
    const fake = await played({ answer: { text: helloText } }, async (cli) => {
      await cli.control({ subtype: "initialize" });
      const uuids: string[] = [];
      for (const pair of [1, 2]) {
        const idle = cli.untilIdle();
        uuids.push(cli.ask(`Q${pair}`, { shouldQuery: false }));
        await idle;
        const stored = cli.until(({ type }) => type === "command_lifecycle");
        const message = { role: "assistant", content: [{ type: "text", text: `A${pair}` }] };
        cli.write({ type: "assistant", message, parent_tool_use_id: null, session_id: "", uuid: crypto.randomUUID() });
        await stored;
      }
      const idle = cli.untilIdle();
      uuids.push(cli.ask("Q3"));
      await idle;
      const rewind = { target_message_uuid: uuids[0], last_seen_user_message_uuid: uuids.at(-1) };
      await cli.control({ subtype: "rewind_conversation", ...rewind });
      await cli.turn("fresh");
    });
    const withoutInitialize = (messages: readonly CliMessage[]) => messages.slice(2);
    expect(withoutInitialize(fake).map(kindOf)).toEqual(withoutInitialize(real).map(kindOf));
    const rewindReply = (messages: readonly CliMessage[]) =>
      messages.filter(({ type }) => type === "control_response").at(-1)!;
    expect(shapeOf(rewindReply(fake))).toEqual(shapeOf(rewindReply(real)));
  });

  test("when the model API fails", async () => {
    const real = await recorded("errors-http-4xx");
    const end = real.findIndex(({ type }) => type === "result") + 1;
    const error = { status: 400, type: "invalid_request_error" };
    const fake = await played({ answer: { error } }, (cli) => cli.turn("Provoke HTTP 400 upstream."));
    const fakeEnd = fake.findIndex(({ type }) => type === "result") + 1;
    expect(fake.slice(0, fakeEnd).map(kindOf)).toEqual(real.slice(0, end).map(kindOf));
    expect(shapeOf(fake[fakeEnd - 2])).toEqual(shapeOf(real[end - 2]));
  });
});
