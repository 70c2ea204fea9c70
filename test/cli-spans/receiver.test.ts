import { once } from "node:events";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, it } from "vitest";
import { type Refusal, type SpanReceiver, startReceiver } from "../../src/cli-spans/receiver.ts";

const open: SpanReceiver[] = [];
afterEach(async () => {
  for (const receiver of open.splice(0)) await receiver.stop();
});

async function started() {
  const refusals: Refusal[] = [];
  const bodies: string[] = [];
  const receiver = await startReceiver({ refused: (why) => refusals.push(why) });
  open.push(receiver);
  const path = receiver.open((body) => {
    bodies.push(body);
    return body !== "junk";
  });
  return { receiver, refusals, bodies, path, url: `${path.endpoint}/v1/traces` };
}

const json = { "content-type": "application/json" };
const post = (url: string, body = "{}", headers: Record<string, string> = json) =>
  fetch(url, { method: "POST", body, headers });

describe("the port for Claude Code's spans", () => {
  it("takes bodies at a path that nobody can guess, one for each worker", async () => {
    const { receiver, bodies, path, url, refusals } = await started();
    const answer = await post(url, '{"resourceSpans":[]}');
    expect([answer.status, await answer.text()]).toEqual([200, "{}"]);
    expect(bodies).toEqual(['{"resourceSpans":[]}']);
    expect(path.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}$/);
    expect(receiver.open(() => true).endpoint).not.toBe(path.endpoint);
    expect(refusals).toEqual([]);
  });

  it("listens on loopback only", async () => {
    const { path } = await started();
    const { port } = new URL(path.endpoint);
    const others = Object.values(networkInterfaces()).flatMap((of = []) =>
      of.filter(({ internal, family }) => !internal && family === "IPv4"),
    );
    for (const { address } of others) {
      const socket = connect(Number(port), address);
      const [error] = await once(socket, "error");
      expect((error as NodeJS.ErrnoException).code).toBe("ECONNREFUSED");
    }
  });

  it("takes nothing elsewhere, and nothing any more once the worker is gone", async () => {
    const { path, url, bodies, refusals } = await started();
    const { origin } = new URL(url);
    expect((await post(`${origin}/v1/traces`)).status).toBe(404);
    expect((await post(path.endpoint)).status).toBe(404);
    expect((await post(`${path.endpoint}/v1/logs`)).status).toBe(404);
    path.close();
    expect((await post(url)).status).toBe(404);
    expect(bodies).toEqual([]);
    expect(refusals).toEqual(["unknown_path", "unknown_path", "unknown_path", "unknown_path"]);
  });

  it("takes JSON that is posted as it is, and nothing else", async () => {
    const { url, bodies, refusals } = await started();
    expect((await fetch(url)).status).toBe(415);
    expect((await post(url, "x", { "content-type": "application/x-protobuf" })).status).toBe(415);
    expect((await post(url, "x", { ...json, "content-encoding": "gzip" })).status).toBe(415);
    expect(bodies).toEqual([]);
    expect(refusals).toEqual(["wrong_kind", "wrong_kind", "wrong_kind"]);
  });

  it("answers what is not understood in a way that is not repeated", async () => {
    const { url, refusals } = await started();
    expect((await post(url, "junk")).status).toBe(400);
    expect(refusals).toEqual(["not_otlp"]);
  });

  it("reads no more than a bounded body", async () => {
    const { url, bodies, refusals } = await started();
    const most = 2 * 1024 * 1024;
    expect((await post(url, " ".repeat(most))).status).toBe(200);
    const answer = await post(url, " ".repeat(most + 1)).catch(() => undefined);
    // The sender may be cut off before it has read the answer.
    if (answer !== undefined) expect(answer.status).toBe(413);
    expect(bodies).toHaveLength(1);
    expect(refusals).toEqual(["too_large"]);
  });

  it("reads few bodies of one worker at once, and has room again when they are over", async () => {
    const { url, bodies, refusals } = await started();
    const { port, pathname } = new URL(url);
    const head = `POST ${pathname} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n`;
    const halves = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const socket = connect(Number(port), "127.0.0.1");
        await once(socket, "connect");
        socket.write(`${head}{`);
        return socket;
      }),
    );
    await expect.poll(async () => (await post(url)).status).toBe(400);
    expect(refusals).toContain("too_many");
    // One is finished, the others break off.
    halves[0]?.write("}");
    await once(halves[0]!, "data");
    for (const socket of halves) socket.destroy();
    await expect.poll(async () => (await post(url)).status).toBe(200);
    expect(bodies).toContain("{}");
  });

  it("is rejected when the port is taken, and can be stopped twice", async () => {
    const { receiver, path } = await started();
    const port = Number(new URL(path.endpoint).port);
    await expect(startReceiver({ refused: () => undefined, port })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await receiver.stop();
    await receiver.stop();
  });
});
