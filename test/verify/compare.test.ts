import { describe, expect, it } from "vitest";
import { firstDifference, keepsConnections, type SentRequest } from "../../src/verify/compare.ts";

const sessionA = "9d439add-97d9-4303-9a7d-d2615ebf2d25";
const sessionB = "d24f93f6-7bd8-4256-a236-27762c854ad9";
const deviceA = "a".repeat(64);
const deviceB = "b".repeat(64);

interface Parts {
  readonly session?: string;
  readonly device?: string;
  readonly account?: string;
  readonly text?: string;
  readonly more?: object;
  readonly headers?: SentRequest["headers"];
}

/** A request as the CLI sends it, in short. */
function request({ session = sessionA, device = deviceA, account = "", text = "Hello", ...rest }: Parts): SentRequest {
  const userId = JSON.stringify({ device_id: device, account_uuid: account, session_id: session });
  const body = {
    model: "claude-opus-5-5",
    messages: [{ role: "user", content: [{ type: "text", text }] }],
    metadata: { user_id: userId },
    ...rest.more,
  };
  return {
    method: "POST",
    path: "/v1/messages?beta=true",
    headers: {
      "x-claude-code-session-id": session,
      "x-api-key": "opens-nothing",
      connection: "keep-alive",
      ...rest.headers,
    },
    bodyText: JSON.stringify(body),
  };
}

const difference = (fresh: Parts, reused: Parts) => firstDifference([request(fresh)], [request(reused)]);

describe("the comparison", () => {
  it("takes requests of two workers that differ in their ids for the same", () => {
    expect(difference({}, { session: sessionB, device: deviceB })).toBeUndefined();
  });

  it("finds one character more in a prompt, and tells where", () => {
    expect(difference({ text: "Hello" }, { text: "Hello " })).toEqual({
      where: "request 1, body at $.messages[0].content[0].text",
      fresh: "Hello",
      reused: "Hello ",
    });
  });

  it("finds a block in front of the prompt", () => {
    const residue = { type: "text", text: "<local-command-caveat>" };
    const reused = { messages: [{ role: "user", content: [residue, { type: "text", text: "Hello" }] }] };
    expect(difference({}, { more: reused })?.where).toBe("request 1, body at $.messages[0].content[0].text");
  });

  it("finds members in another order, which only the bytes show", () => {
    const [fresh, reused] = ['{"model":"x","stream":true}', '{"stream":true,"model":"x"}'].map((bodyText) => ({
      ...request({}),
      bodyText,
    })) as [SentRequest, SentRequest];
    expect(firstDifference([fresh], [reused])?.where).toBe("request 1, body at byte 2");
  });

  it("finds another account, since that is no id of a process", () => {
    expect(difference({}, { account: "someone" })?.where).toBe("request 1, body at $.metadata.user_id");
  });

  it("finds words that stand where an id belongs", () => {
    expect(difference({}, { session: "the last prompt" })).toBeDefined();
  });

  it("does not take a prompt that looks like metadata for metadata", () => {
    const userId = JSON.stringify({ device_id: deviceA, account_uuid: "", session_id: sessionA });
    const prompt = `"user_id":${JSON.stringify(userId)}`;
    const fake = (session: string) => prompt.replace(sessionA, session);
    expect(difference({ text: fake(sessionA) }, { text: fake(sessionB) })).toBeDefined();
  });

  it("finds a header that is there on one side only, also one that holds an id", () => {
    expect(difference({}, { headers: { "anthropic-beta": "x" } })).toEqual({
      where: "request 1, header anthropic-beta",
      fresh: "(absent)",
      reused: "x",
    });
    expect(difference({ headers: { "x-client-request-id": "1" } }, {})?.where).toContain("x-client-request-id");
    const ids = (id: string) => ({ headers: { "x-client-request-id": id } });
    expect(difference(ids("1"), ids("2"))).toBeUndefined();
  });

  it("never shows a credential", () => {
    const found = difference({}, { headers: { "x-api-key": "sk-secret" } });
    expect(found?.where).toBe("request 1, header x-api-key");
    expect(JSON.stringify(found)).not.toMatch(/sk-secret|opens-nothing/);
  });

  it("shows a few characters around the difference, not the prompt", () => {
    const long = "x".repeat(5_000);
    const found = difference({ text: `${long}fresh${long}` }, { text: `${long}\u001b[2Jreused${long}` });
    expect(found?.reused).toContain("\\u001b[2Jreused");
    expect(JSON.stringify(found).length).toBeLessThan(500);
  });

  it("finds a request too many and one too few", () => {
    const [one, two] = [request({}), request({})];
    expect(firstDifference([one], [one, two])).toEqual({ where: "the number of requests", fresh: "1", reused: "2" });
    expect(firstDifference([one, two], [one])).toMatchObject({ fresh: "2", reused: "1" });
  });

  it("lets a worker close its connections, and tells it", () => {
    const closing = request({ headers: { connection: undefined } });
    expect(firstDifference([request({})], [closing])).toBeUndefined();
    expect(firstDifference([closing], [request({})])).toBeDefined();
    expect([keepsConnections([request({})]), keepsConnections([closing])]).toEqual([true, false]);
  });
});
