import { request as httpRequest } from "node:http";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { ScenarioError } from "../../src/standin/scenario.ts";
import { type Standin, type StandinOptions, startStandin } from "../../src/standin/standin-server.ts";
import { FakeClock } from "../fake-clock.ts";

let standin: Standin;
let clock: FakeClock;

async function start(options: StandinOptions = {}): Promise<Standin> {
  await standin?.close();
  standin = await startStandin({ clock, ...options });
  return standin;
}

beforeEach(async () => {
  clock = new FakeClock();
  await start();
});

afterEach(() => standin.close());

interface Ask {
  readonly stream?: boolean;
  readonly session?: string;
  readonly messages?: readonly object[];
  readonly signal?: AbortSignal;
}

function ask(prompt: string, options: Ask = {}): Promise<Response> {
  return fetch(`${standin.url}/v1/messages?beta=true`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-claude-code-session-id": options.session ?? "s1" },
    body: JSON.stringify({
      model: "claude-test",
      stream: options.stream ?? true,
      messages: options.messages ?? [{ role: "user", content: prompt }],
    }),
    signal: options.signal ?? null,
  });
}

interface Failure {
  readonly error: { readonly message: string };
}

function jsonOf<T>(response: Response): Promise<T> {
  return response.json() as Promise<T>;
}

/** The text of a streamed answer, and the type of its last event. */
async function readStream(response: Response): Promise<{ readonly text: string; readonly last: string }> {
  let text = "";
  let last = "";
  for (const event of (await response.text()).split("\n\n").filter((event) => event !== "")) {
    const data = JSON.parse(event.slice(event.indexOf("data: ") + 6));
    last = data.type;
    if (data.delta?.type === "text_delta") text += data.delta.text;
  }
  return { text, last };
}

async function textOf(prompt: string, options?: Ask): Promise<string> {
  return (await readStream(await ask(prompt, options))).text;
}

describe("an answer", () => {
  test("is streamed, whole, with a request id", async () => {
    const response = await ask("[[scenario text]]");
    expect(response.headers.get("content-type")).toMatch("text/event-stream");
    expect(response.headers.get("request-id")).toMatch(/^req_/u);
    expect(await readStream(response)).toMatchObject({ text: expect.stringContaining("Hello"), last: "message_stop" });
  });

  test("comes as one document when it is not to be streamed", async () => {
    const response = await ask("[[scenario text]]", { stream: false });
    expect(await response.json()).toMatchObject({ type: "message", stop_reason: "end_turn" });
  });

  test("to a prompt without a marker speaks of the prompt and of what was said before", async () => {
    const messages = [
      { role: "user", content: "My cat is Ada." },
      { role: "assistant", content: "Hello Ada." },
      { role: "user", content: "Who is she?" },
    ];
    const text = await textOf("", { messages });
    expect(text).toContain("Who is she?");
    expect(text).toContain("My cat is Ada.");
  });

  test("is the next step of the scenario after each answer in the conversation", async () => {
    const conversation: object[] = [{ role: "user", content: "[[scenario bash]]" }];
    const first = await jsonOf<{ readonly stop_reason: string; readonly content: readonly { readonly id: string }[] }>(
      await ask("", { messages: conversation, stream: false }),
    );
    expect(first.stop_reason).toBe("tool_use");
    conversation.push({ role: "assistant", content: first.content });
    conversation.push({
      role: "user",
      content: [{ type: "tool_result", tool_use_id: first.content[1]!.id, content: "hi" }],
    });
    expect(await textOf("", { messages: conversation })).toBe("The command ran.");
  });

  test("of many megabytes arrives whole", async () => {
    const text = await textOf('[[scenario long-text {"deltaCount": 20000, "deltaChars": 200}]]');
    expect(text).toHaveLength(20_000 * 200);
  });
});

describe("a pause", () => {
  test("is kept before the headers", async () => {
    const answering = ask('[[scenario text {"beforeHeadersMs": 500}]]');
    let answered = false;
    void answering.then(() => {
      answered = true;
    });
    await standin.waitForRequest(() => true);
    await clock.advance(499);
    expect(answered).toBe(false);
    await clock.advance(1);
    expect((await answering).status).toBe(200);
  });

  test("is kept between deltas, and does not add up with lateness", async () => {
    const response = await ask('[[scenario text {"text": "abcd", "deltas": 1, "betweenDeltasMs": 100}]]');
    clock.jump(250);
    await clock.advance(49);
    expect(clock.pendingTimerCount).toBe(1);
    await clock.advance(1);
    expect(await readStream(response)).toEqual({ text: "abcd", last: "message_stop" });
  });

  test("ends with the client that waited", async () => {
    const client = new AbortController();
    const response = await ask("[[scenario slow-text]]", { signal: client.signal });
    expect(clock.pendingTimerCount).toBe(1);
    client.abort();
    await expect(response.text()).rejects.toThrow();
    await expect.poll(() => clock.pendingTimerCount).toBe(0);
    expect(standin.requests[0]!.aborted).toBe(true);
  });
});

describe("a failure", () => {
  test("has the API's shape, headers and error type", async () => {
    const response = await ask('[[scenario error {"status": 429, "headers": {"retry-after": "7"}}]]');
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("7");
    expect(await response.json()).toMatchObject({ type: "error", error: { type: "rate_limit_error" } });
  });

  test("can be followed by success, for each session by itself", async () => {
    const prompt = '[[scenario retry-then-answer {"times": 2}]]';
    const statuses = async (session: string) => (await ask(prompt, { session })).status;
    expect([await statuses("a"), await statuses("a"), await statuses("b")]).toEqual([500, 500, 500]);
    expect([await statuses("a"), await statuses("b"), await statuses("b")]).toEqual([200, 500, 200]);
    expect(await statuses("a")).toBe(500);
  });

  test("before the headers is a lost connection", async () => {
    for (const scenario of ["drop", "drop-close"]) await expect(ask(`[[scenario ${scenario}]]`)).rejects.toThrow();
    expect(standin.requests.map(({ aborted }) => aborted)).toEqual([false, false]);
  });

  test("in mid-text is a lost connection after the text so far", async () => {
    await start({ clock: systemClock });
    const reader = (await ask("[[scenario stream-reset]]")).body!.pipeThrough(new TextDecoderStream()).getReader();
    let received = "";
    const readToTheEnd = async () => {
      for (;;) received += (await reader.read()).value;
    };
    await expect(readToTheEnd()).rejects.toThrow();
    expect(received.match(/text_delta/gu)).toHaveLength(2);
  });

  test.each([
    ["stream-end", "content_block_delta"],
    ["stream-error", "error"],
  ])("in mid-text can also be %s", async (scenario, last) => {
    expect((await readStream(await ask(`[[scenario ${scenario}]]`))).last).toBe(last);
  });

  test("after a whole block leaves that block whole", async () => {
    const scenario = {
      steps: [
        {
          play: {
            answer: "message",
            blocks: [
              { type: "text", text: "a", deltas: 1 },
              { type: "text", text: "bcd", deltas: 1 },
            ],
            breaks: { how: "end", afterBlocks: 1, afterDeltas: 2 },
          },
        },
      ],
    };
    expect(await textOf(`[[scenario ${JSON.stringify(scenario)}]]`)).toBe("abc");
  });

  test("of silence lasts until the client goes", async () => {
    const client = new AbortController();
    const answering = ask("[[scenario silence]]", { signal: client.signal });
    const request = await standin.waitForRequest(({ scenario }) => scenario === "silence");
    expect(request.aborted).toBe(false);
    client.abort();
    await expect(answering).rejects.toThrow();
    await expect.poll(() => request.aborted).toBe(true);
  });

  test("of pings goes on with pings", async () => {
    const client = new AbortController();
    const response = await ask('[[scenario pings {"pingIntervalMs": 100}]]', { signal: client.signal });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await clock.advance(1000);
    let received = "";
    while ((received.match(/event: ping/gu)?.length ?? 0) < 5) received += (await reader.read()).value;
    client.abort();
    await expect.poll(() => clock.pendingTimerCount).toBe(0);
  });
});

describe("a script", () => {
  test("wins over the marker until it is removed", async () => {
    {
      using _script = standin.script({ name: "text", options: { text: "scripted" } });
      expect(await textOf("[[scenario thinking]]")).toBe("scripted");
    }
    expect(await textOf('[[scenario text {"text": "marked"}]]')).toBe("marked");
  });

  test("answers as often as it was told to", async () => {
    standin.script({ name: "text", options: { text: "once" } }, { times: 1 });
    expect([await textOf("[[scenario text]]"), await textOf('[[scenario text {"text": "then"}]]')]).toEqual([
      "once",
      "then",
    ]);
  });

  test("can be a function of the request, and leave it to the next", async () => {
    standin.script({ name: "text", options: { text: "older" } });
    standin.script(({ bodyText }) =>
      bodyText.includes("for me") ? { name: "text", options: { text: "newer" } } : undefined,
    );
    expect([await textOf("for me"), await textOf("for another")]).toEqual(["newer", "older"]);
  });

  test("is checked when it is given", () => {
    expect(() => standin.script("no-such")).toThrow(/no scenario no-such/u);
    expect(() => standin.script({ steps: [] })).toThrow(ScenarioError);
  });

  test("is forgotten by clear, and so is what was recorded", async () => {
    standin.script({ name: "text", options: { text: "scripted" } });
    await textOf("x");
    standin.clear();
    expect(standin.requests).toEqual([]);
    expect(await textOf("x")).not.toBe("scripted");
  });
});

describe("a scenario file", () => {
  const steps = [{ play: { answer: "message", blocks: [{ type: "text", text: "own" }] } }] as const;

  test("has rules for prompts, and a default", async () => {
    await start({
      scenarios: {
        scenarios: { own: { steps: [{ play: { answer: "message", blocks: [{ type: "text", text: "own" }] } }] } },
        rules: [
          { when: { contains: "weather" }, scenario: "own" },
          { when: { matches: "^\\d+$" }, scenario: { name: "text", options: { text: "a number" } } },
        ],
        default: { name: "text", options: { text: "default" } },
      },
    });
    expect([await textOf("the weather?"), await textOf("42"), await textOf("x42")]).toEqual([
      "own",
      "a number",
      "default",
    ]);
    expect(await textOf("[[scenario own]]")).toBe("own");
  });

  test("is refused when it names what does not exist", async () => {
    await expect(
      startStandin({ scenarios: { rules: [{ when: { contains: "a" }, scenario: "nothing" }] } }),
    ).rejects.toThrow(/no scenario nothing; known are answer, text/u);
    await expect(startStandin({ defaultScenario: "nothing" })).rejects.toThrow(ScenarioError);
  });

  test("is refused with the path of what is wrong", async () => {
    const rules = [{ when: { matches: "(" }, scenario: { steps: [...steps] } }];
    await expect(startStandin({ scenarios: { rules } as never })).rejects.toThrow(/rules\[0\]\.when/u);
  });
});

describe("what was asked", () => {
  test("is recorded with headers, body, scenario and step", async () => {
    await textOf("[[scenario text]]", { session: "s7" });
    expect(standin.requests).toHaveLength(1);
    expect(standin.requests[0]).toMatchObject({
      index: 0,
      method: "POST",
      path: "/v1/messages?beta=true",
      headers: { "x-claude-code-session-id": "s7" },
      body: { model: "claude-test" },
      scenario: "text",
      step: 0,
      aborted: false,
    });
  });

  test("can be waited for", async () => {
    const waiting = standin.waitForRequest(({ bodyText }) => bodyText.includes("second"));
    await textOf("first");
    await textOf("second");
    expect((await waiting).index).toBe(1);
    expect((await standin.waitForRequest(({ index }) => index === 0)).bodyText).toContain("first");
  });

  test("is not waited for when the signal says so", async () => {
    const waiting = standin.waitForRequest(() => true, AbortSignal.abort(new Error("enough")));
    await expect(waiting).rejects.toThrow("enough");
    const later = new AbortController();
    const waitingLonger = standin.waitForRequest(() => true, later.signal);
    later.abort(new Error("enough now"));
    await expect(waitingLonger).rejects.toThrow("enough now");
  });

  test("is bounded by count and by size", async () => {
    await start({ maxRecordedRequests: 2, maxRecordedBytes: 10_000 });
    for (const prompt of ["1", "2", "3"]) await textOf(prompt);
    expect(standin.requests.map(({ index }) => index)).toEqual([1, 2]);
    await textOf("x".repeat(20_000));
    expect(standin.requests.map(({ index }) => index)).toEqual([3]);
  });

  test("is also recorded when it is not about messages", async () => {
    expect((await fetch(standin.url, { method: "HEAD" })).status).toBe(200);
    expect((await fetch(`${standin.url}/v1/models`)).status).toBe(404);
    const counted = await fetch(`${standin.url}/v1/messages/count_tokens`, { method: "POST", body: "x".repeat(40) });
    expect(await counted.json()).toEqual({ input_tokens: 10 });
    expect(standin.requests.map(({ scenario }) => scenario)).toEqual(["/", "/v1/models", "/v1/messages/count_tokens"]);
  });
});

describe("what cannot be answered", () => {
  test("is refused with the reason when a marker is wrong", async () => {
    const response = await ask("[[scenario nonsense]]");
    expect(response.status).toBe(400);
    expect((await jsonOf<Failure>(response)).error.message).toMatch(/^stand-in: there is no scenario nonsense/u);
  });

  test("is refused when it is no request", async () => {
    const response = await fetch(`${standin.url}/v1/messages`, { method: "POST", body: "no JSON" });
    expect(response.status).toBe(400);
  });

  test("fails visibly when a script throws", async () => {
    standin.script(() => {
      throw new Error("the script is broken");
    });
    const response = await ask("x");
    expect(response.status).toBe(500);
    expect((await jsonOf<Failure>(response)).error.message).toContain("the script is broken");
  });
});

describe("the port", () => {
  test("is on loopback only", async () => {
    expect(standin.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/u);
    await expect(startStandin({ host: "0.0.0.0" })).rejects.toThrow(RangeError);
  });

  test("closes while answers are under way, and closing twice is fine", async () => {
    const answering = ask("[[scenario silence]]");
    const lost = expect(answering).rejects.toThrow();
    await standin.waitForRequest(() => true);
    await Promise.all([standin.close(), standin.close()]);
    await lost;
  });

  test("says when it is taken", async () => {
    await expect(startStandin({ port: Number(new URL(standin.url).port) })).rejects.toThrow(/EADDRINUSE/u);
  });

  test("survives a client that leaves in the middle of its request", async () => {
    const leaving = httpRequest(`${standin.url}/v1/messages`, { method: "POST", headers: { "content-length": 100 } });
    onTestFinished(() => void leaving.destroy());
    leaving.on("error", () => {
      // It is this side that leaves.
    });
    leaving.write("half");
    await new Promise((resolve) => leaving.once("socket", (socket) => socket.once("connect", resolve)));
    leaving.destroy();
    expect(await textOf("[[scenario text]]")).toContain("Hello");
  });
});
