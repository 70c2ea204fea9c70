/**
 * What leaves the server when the model API fails, on the real CLI: every failure of the stand-in repeats the operator's
 * key, an inner address and a word that is nowhere else, and none of them is in anything that a caller gets.
 */
import { toBinary, toJsonString } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Detail, StreamChatResponseSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { failures } from "../../src/standin/builtin/failures.ts";
import type { ScenarioReference } from "../../src/standin/choose.ts";
import { type ContractClient, grpcJsClient } from "../contract/transports.ts";
import { readTurn } from "../contract/turn.ts";
import { canaryBearer, canaryKey, openScene, type Scene } from "./scene.ts";

const word = "canary-of-the-gateway";
const address = "10.1.2.3:4000";
const told = `${word}: gateway ${address} does not take ${canaryKey} or ${canaryBearer}, see /srv/gateway/config.yaml`;
const operatorToken = "test-token-of-the-operator";

/** Those that say nothing, and take long about it. */
const silent = new Set(["silence", "stall", "pings"]);
const said = failures.filter(({ name }) => !silent.has(name));

type Told = { readonly [key: string]: unknown };

/** The same failure with other words in all that it says. */
function withCanaries(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withCanaries);
  if (typeof value !== "object" || value === null) return value;
  const play: Told = Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "name")
      .map(([key, item]) => [key, withCanaries(item)]),
  );
  const headers = { ...(play.headers as object), "request-id": canaryKey };
  if (play.answer === "error") return { ...play, message: `${play.message ?? ""} ${told}`, headers };
  if (play.answer === "body") return { ...play, ...(play.body !== "" && { body: `${play.body} ${told}` }) };
  if (typeof play.how === "string" && "errorMessage" in play) return { ...play, errorMessage: told };
  return play;
}

const secrets = [canaryKey, canaryBearer];
const upstream = [word, address, "/srv/gateway"];

describe("when the model API fails and says too much", () => {
  let scene: Scene;
  let operator: ContractClient;
  beforeAll(async () => {
    scene = await openScene({
      settings: {
        auth: {
          tokens: [
            { tenant: "acme", sha256: sha256Of("test-token-of-acme") },
            { tenant: "ops", sha256: sha256Of(operatorToken), operator: true },
          ],
        },
        profiles: {
          default: { upstreamMaxRetries: 1 },
          bearer: { credential: "bearer" },
        },
      },
      bearerCredential: "bearer",
    });
    operator = grpcJsClient(`ipv4:127.0.0.1:${scene.target.grpcPort}`, operatorToken, false);
  });
  afterAll(async () => {
    operator?.close();
    await scene?.close();
  });

  const streamed = async (client: ContractClient, profile: string): Promise<string> => {
    const turn = await readTurn(client.streamChat({ prompt: "Well?", profile, detail: Detail.FULL }));
    const events = turn.responses.map((response) => Buffer.from(toBinary(StreamChatResponseSchema, response)));
    const raw = turn.responses.map(({ rawJson }) => rawJson?.json ?? "").join("");
    const details = turn.responses.map((response) => toJsonString(StreamChatResponseSchema, response));
    const metadata = [...(turn.failure?.metadata ?? [])].flat();
    const status = JSON.stringify([turn.failure?.message, turn.failure?.facts]);
    return [raw, ...details, Buffer.concat(events).toString("utf8"), status, ...metadata.map(opened)].join("\n");
  };

  const collected = async (profile: string): Promise<string> => {
    const url = `http://127.0.0.1:${scene.target.webPort}/claude.runner.v1.ClaudeRunner/Chat`;
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${scene.target.token}` },
      body: JSON.stringify({ prompt: "Well?", profile }),
    });
    const body = await response.text();
    return [body, ...[...response.headers].flat(), ...body.split('"').map(opened)].join("\n");
  };

  it.each(said)("a caller gets none of its words and no key: $name", async ({ make }) => {
    using _script = scene.standin.script(() => {
      const asked = { request: {} as never, conversation: { beginsWithSummary: false, turnCount: 0 } as never };
      return withCanaries(make({}, asked)) as ScenarioReference;
    });
    const seen = await Promise.all(
      ["default", "bearer"].flatMap((profile) => [
        streamed(scene.client, profile).then((text) => [`${profile} streamed`, text] as const),
        collected(profile).then((text) => [`${profile} collected`, text] as const),
      ]),
    );
    for (const [how, text] of seen) {
      for (const canary of [
        ...secrets,
        ...upstream,
        new URL(scene.standin.url).host,
        `:${new URL(scene.standin.url).port}`,
      ]) {
        expect(text.includes(canary), `${canary} is in what came back, ${how}: ${around(text, canary)}`).toBe(false);
      }
      expect(text.length).toBeGreaterThan(20);
    }
  });

  it("an operator gets the words, without the keys", async () => {
    using _script = scene.standin.script(
      withCanaries({ steps: [{ play: { answer: "error", status: 400 } }] }) as ScenarioReference,
    );
    const text = await streamed(operator, "default");
    expect(text).toContain(word);
    expect(text).toContain("[redacted]");
    for (const secret of secrets) expect(text).not.toContain(secret);
  });

  it("the log has the words, without the keys", () => {
    const log = scene.book.lines.map((line) => JSON.stringify(line)).join("\n");
    expect(log).toContain(word);
    for (const secret of secrets) expect(log).not.toContain(secret);
  });

  it("text of the model that repeats the key has it replaced, wherever it was cut", async () => {
    const text = `it is ${canaryKey} and ${canaryBearer}.`;
    using _script = scene.standin.script({
      steps: [{ play: { answer: "message", blocks: [{ type: "text", text, deltas: 5 }] } }],
    });
    for (const profile of ["default", "bearer"]) {
      const own = profile === "default" ? canaryKey : canaryBearer;
      const answer = await scene.client.chat({ prompt: "What is the key?", profile });
      expect(answer.text).not.toContain(own);
      const stream = await readTurn(scene.client.streamChat({ prompt: "And?", profile, detail: Detail.FULL }));
      expect(stream.text).not.toContain(own);
      expect(stream.text).toContain("[redacted]");
      expect(await streamed(scene.client, profile)).not.toContain(own);
    }
  });
});

/** What base64 in a header or a detail holds; anything else as it is. */
function opened(value: string): string {
  return /^[A-Za-z0-9+/_-]{16,}={0,2}$/.test(value)
    ? `${value} ${Buffer.from(value, "base64").toString("utf8")}`
    : value;
}

function around(text: string, part: string): string {
  const at = text.indexOf(part);
  return text.slice(Math.max(0, at - 200), at + 80);
}
