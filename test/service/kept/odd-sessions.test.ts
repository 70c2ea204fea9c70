/**
 * What careless and ill-meaning callers ask of sessions.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BusyPolicy, OnDisconnect, Role } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService, SessionState } from "../../../gen/claude/runner/v1/session_pb.ts";
import { TurnService, TurnState, TurnView } from "../../../gen/claude/runner/v1/turn_pb.ts";
import type { Caller } from "../../../src/policy/auth.ts";
import { until } from "../../until.ts";
import { type KeptScene, keptScene, reasonOf, saidBy, textOf } from "./kept-scene.ts";

const { createSession, getSession, listSessions, updateSession, deleteSession, forkSession } = SessionService.method;
const { listTurns, getTurn, interruptTurn } = TurnService.method;

let scene: KeptScene;
let acme: Caller;
let umbrella: Caller;
beforeAll(async () => {
  scene = await keptScene({ profiles: { default: {}, other: {}, silent: { storeContent: "none" } } });
});
beforeEach(() => {
  ({ acme, umbrella } = scene.newTenants());
});
afterAll(() => scene.close());

const inSession = (id: string, prompt = "hi") => ({ prompt, session: { id, allowMissing: true } });

describe("the id of a session", () => {
  it.each([
    [".", "a dot"],
    ["..", "two dots"],
    ["-", "a dash"],
    ["__proto__", "what objects have"],
    ["constructor", "what objects have, too"],
    ["a:b:c", "colons"],
    ["x".repeat(128), "the most letters"],
  ])("may be %j: %s", async (id) => {
    await scene.chat(inSession(id));
    const { session } = await scene.ask(getSession, { id });
    expect(session).toMatchObject({ id, turnCount: 1 });
    await scene.ask(deleteSession, { id });
    expect(await reasonOf(scene.ask(getSession, { id }))).toBe("SESSION_NOT_FOUND");
  });

  it.each([
    ["x".repeat(129), "a letter too many"],
    ["a/b", "a path"],
    ["a b", "a space"],
    ["a\n", "a line's end"],
    ["a\0", "a null"],
    ["\u0430", "a letter that looks like another"],
    ["ä", "a letter with dots"],
    ["", "nothing"],
    ["a%2e", "percent signs"],
  ])("may not be %j: %s", async (id) => {
    const claims = scene.pool.requests.length;
    const named = [
      () => scene.ask(getSession, { id }),
      () => scene.ask(updateSession, { id, updateMask: { paths: ["title"] } }),
      () => scene.ask(deleteSession, { id }),
      () => scene.ask(forkSession, { id }),
      () => scene.chat(inSession(id)),
    ];
    // Here nothing means one of the server's choice, or no filter.
    const optional = [
      () => scene.ask(createSession, { id }),
      () => scene.ask(listTurns, { sessionId: id }),
      () => scene.ask(forkSession, { id: "a", newId: id }),
    ];
    for (const call of [...named, ...(id === "" ? [] : optional)]) {
      expect(await reasonOf(call())).toBe("INVALID_REQUEST");
    }
    expect(scene.pool.requests).toHaveLength(claims);
  });

  it("tells upper and lower case apart", async () => {
    await scene.ask(createSession, { id: "Trip" });
    expect(await reasonOf(scene.ask(getSession, { id: "trip" }))).toBe("SESSION_NOT_FOUND");
    await scene.ask(createSession, { id: "trip" });
    expect((await scene.ask(listSessions, {})).sessions).toHaveLength(2);
  });

  it("is taken once, and free again after the session's deletion", async () => {
    await scene.ask(createSession, { id: "s" });
    expect(await reasonOf(scene.ask(createSession, { id: "s" }))).toBe("SESSION_EXISTS");
    expect(await reasonOf(scene.ask(forkSession, { id: "s", newId: "s" }))).toBe("SESSION_EXISTS");
    expect((await scene.ask(createSession, { id: "s" }, umbrella)).session?.id).toBe("s");
    await scene.ask(deleteSession, { id: "s" });
    expect((await scene.ask(createSession, { id: "s" })).session?.id).toBe("s");
  });
});

describe("a session that is not there", () => {
  it("looks the same whether it is another tenant's, gone, or never was", async () => {
    await scene.ask(createSession, { id: "theirs" }, umbrella);
    await scene.ask(createSession, { id: "gone" });
    await scene.ask(deleteSession, { id: "gone" });
    const calls = (id: string): Promise<unknown>[] => [
      scene.ask(getSession, { id }),
      scene.ask(updateSession, { id, updateMask: { paths: ["title"] }, title: "x" }),
      scene.ask(deleteSession, { id, force: true }),
      scene.ask(forkSession, { id }),
      scene.ask(listTurns, { sessionId: id }),
      scene.chat({ prompt: "hi", session: { id } }),
    ];
    const said = async (id: string) => {
      const words = await Promise.all(calls(id).map(saidBy));
      return words.map((word) => word.replaceAll(id, "ID"));
    };
    const missing = await said("never");
    expect(missing.every((word) => word.includes("SESSION_NOT_FOUND"))).toBe(true);
    expect(await said("theirs")).toEqual(missing);
    expect(await said("gone")).toEqual(missing);
  });

  it("has expired when its time is over, and can be created anew", async () => {
    await scene.chat({ prompt: "one", session: { id: "s", allowMissing: true, idleExpiry: { seconds: 60n } } });
    scene.clock.setBy(60_000);
    expect(await reasonOf(scene.ask(getSession, { id: "s" }))).toBe("SESSION_NOT_FOUND");
    expect(await reasonOf(scene.chat({ prompt: "two", session: { id: "s" } }))).toBe("SESSION_NOT_FOUND");
    expect((await scene.ask(listSessions, {})).sessions).toEqual([]);
    await scene.chat(inSession("s", "three"));
    const { turns } = await scene.ask(listTurns, { sessionId: "s", view: TurnView.FULL });
    expect(turns.map(({ prompt }) => prompt[0]?.text)).toEqual(["three"]);
  });

  it("is created once by two callers at once, whose turns follow each other", async () => {
    const both = await Promise.all(
      ["one", "two"].map((prompt) => scene.chat({ ...inSession("s", prompt), busyPolicy: BusyPolicy.QUEUE })),
    );
    expect(both.map(textOf)).toEqual(["one", "two"]);
    expect((await scene.ask(getSession, { id: "s" })).session).toMatchObject({ turnCount: 2 });
    const refused = await Promise.allSettled(["three", "four"].map((prompt) => scene.chat(inSession("t", prompt))));
    expect(refused.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });
});

describe("a request with a session", () => {
  it("must not have a history as well, and names every field that does not fit", async () => {
    const history = [
      { role: Role.USER, text: "a" },
      { role: Role.ASSISTANT, text: "b" },
    ];
    expect(await saidBy(scene.chat({ ...inSession("s"), history }))).toContain("history");
    expect(await saidBy(scene.chat({ prompt: "x", busyPolicy: BusyPolicy.QUEUE }))).toContain("busy_policy");
    expect(await saidBy(scene.chat({ prompt: "x", onDisconnect: OnDisconnect.CONTINUE }))).toContain("on_disconnect");
    expect(await reasonOf(scene.chat({ ...inSession("s"), busyPolicy: 99 as BusyPolicy }))).toBe("INVALID_REQUEST");
  });

  it("must ask for what the session is fixed to, and learns every field that differs", async () => {
    await scene.chat({ ...inSession("s"), systemPrompt: "Be brief." });
    await scene.chat({ ...inSession("s"), systemPrompt: "Be brief." });
    await scene.chat(inSession("s"));
    const said = await saidBy(scene.chat({ ...inSession("s"), profile: "other", systemPrompt: "Be long." }));
    expect(said).toContain("SESSION_MISMATCH");
    expect(said).toContain("profile, system_prompt");
    expect(said).not.toContain("brief");
  });

  it("says why when the profile keeps no words: of each of the three by its name", async () => {
    const profile = "silent";
    for (const [request, field] of [
      [inSession("s"), "session"],
      [{ prompt: "x", requestId: "r" }, "request_id"],
      [{ prompt: "x", requestId: "r", onDisconnect: OnDisconnect.CONTINUE }, "ON_DISCONNECT_CONTINUE"],
    ] as const) {
      const said = await saidBy(scene.chat({ ...request, profile }));
      expect(said).toContain("CONTENT_NOT_KEPT");
      expect(said).toContain(field);
    }
    expect(await reasonOf(scene.ask(createSession, { profile }))).toBe("CONTENT_NOT_KEPT");
    expect(textOf(await scene.chat({ prompt: "x", profile }))).toBe("x");
  });

  it("whose profile is gone fails by name; the session can still be read, and deleted", async () => {
    await scene.chat({ ...inSession("s", "old words"), profile: "other" });
    const { other } = scene.profiles;
    delete scene.profiles.other;
    expect(await reasonOf(scene.chat({ prompt: "x", session: { id: "s" } }))).toBe("PROFILE_NOT_FOUND");
    expect((await scene.ask(getSession, { id: "s" })).session).toMatchObject({ profile: "other", turnCount: 1 });
    const { turns } = await scene.ask(listTurns, { sessionId: "s", view: TurnView.FULL });
    expect(turns[0]?.prompt[0]?.text).toBe("old words");
    await scene.ask(deleteSession, { id: "s" });
    scene.profiles.other = other!;
  });
});

describe("a change of a session", () => {
  it.each<[string, string[] | undefined]>([
    ["no mask", undefined],
    ["an empty mask", []],
    ["a field that cannot be changed", ["id"]],
    ["everything", ["*"]],
    ["a field in the wrong case", ["title", "Title"]],
    ["a part of a field", ["labels.a"]],
    ["an expiry that is not set", ["idle_expiry"]],
  ])("is refused when it names %s", async (_, paths) => {
    await scene.ask(createSession, { id: "s", title: "as it was" });
    const change = { id: "s", title: "changed", ...(paths && { updateMask: { paths } }) };
    expect(await reasonOf(scene.ask(updateSession, change))).toBe("INVALID_REQUEST");
    expect((await scene.ask(getSession, { id: "s" })).session?.title).toBe("as it was");
  });

  it("changes what the mask names and nothing else", async () => {
    await scene.ask(createSession, { id: "s", title: "one", labels: { a: "1" } });
    const { session } = await scene.ask(updateSession, {
      id: "s",
      updateMask: { paths: ["title", "title"] },
      title: "two",
      labels: { b: "2" },
    });
    expect(session).toMatchObject({ title: "two", labels: { a: "1" } });
  });

  it.each([
    ["too short", 59, 0],
    ["negative", -1, 0],
    ["longer than the server allows", 10 ** 11, 0],
    ["no span at all", 60, -2_000_000_000],
  ])("an expiry is refused that is %s", async (_, seconds, nanos) => {
    const idleExpiry = { seconds: BigInt(seconds), nanos };
    expect(await reasonOf(scene.ask(createSession, { id: "s", idleExpiry }))).toBe("INVALID_REQUEST");
    expect(await reasonOf(scene.chat({ prompt: "x", session: { id: "s", allowMissing: true, idleExpiry } }))).toBe(
      "INVALID_REQUEST",
    );
  });
});

describe("a tenant that keeps as much as it may", () => {
  it("is refused more sessions by name, while others are not, and has room again after a deletion", async () => {
    const small = await keptScene({ caps: { maxSessionsPerTenant: 2 } });
    try {
      for (const id of ["a", "b"]) await small.chat(inSession(id));
      const said = await saidBy(small.ask(createSession, { id: "c" }));
      expect(said).toContain("QUOTA_EXCEEDED");
      expect(said).toContain("limit of 2 sessions");
      expect(await reasonOf(small.chat(inSession("c")))).toBe("QUOTA_EXCEEDED");
      expect(await reasonOf(small.ask(forkSession, { id: "a" }))).toBe("QUOTA_EXCEEDED");
      expect(textOf(await small.chat(inSession("a", "goes on")))).toBe("goes on");
      const other = { ...acme, tenant: "other" };
      expect((await small.ask(createSession, { id: "c" }, other)).session?.id).toBe("c");
      await small.ask(deleteSession, { id: "b" });
      expect(textOf(await small.chat(inSession("c", "has room")))).toBe("has room");
    } finally {
      await small.close();
    }
  });
});

describe("a fork", () => {
  it("of a running turn, of one that failed, and of another session's is refused; a fork beside one is not", async () => {
    const [first] = await scene.chat(inSession("s", "one"));
    const [foreign] = await scene.chat(inSession("other", "two"));
    const running = await scene.hold({ session: { id: "s" } });
    const until = (turnId: string) => ({ case: "lastTurnId" as const, value: turnId });
    const refused = (turnId: string) => reasonOf(scene.ask(forkSession, { id: "s", until: until(turnId) }));
    expect(await refused(running.turnId)).toBe("TURN_NOT_IN_CONVERSATION");
    expect(await refused(foreign!.turnId)).toBe("TURN_NOT_IN_CONVERSATION");
    expect(await refused("00000000-0000-4000-8000-000000000000")).toBe("TURN_NOT_IN_CONVERSATION");
    const whole = await scene.ask(forkSession, { id: "s", newId: "copy" });
    expect(whole.session).toMatchObject({ state: SessionState.IDLE, turnCount: 1, forkedFrom: { sessionId: "s" } });
    await scene.ask(interruptTurn, { turnId: running.turnId });
    expect(await refused(running.turnId)).toBe("TURN_NOT_IN_CONVERSATION");
    const copy = await scene.ask(forkSession, { id: "s", until: until(first!.turnId) });
    expect(copy.session?.turnCount).toBe(1);
  });
});

describe("a deletion", () => {
  it("is refused while a turn runs, and ends it when it is told to", async () => {
    const running = await scene.hold(inSession("s", "hold on"));
    expect(await saidBy(scene.ask(deleteSession, { id: "s" }))).toContain(running.turnId);
    const { interruptedTurnId } = await scene.ask(deleteSession, { id: "s", force: true });
    expect(interruptedTurnId).toBe(running.turnId);
    expect(await reasonOf(Promise.reject(await running.rest))).toBe("TURN_INTERRUPTED");
    expect(await reasonOf(scene.ask(getTurn, { turn: { case: "turnId", value: running.turnId } }))).toBe(
      "TURN_NOT_FOUND",
    );
    expect(scene.forgotten).toContainEqual({ tenant: acme.tenant, id: "s" });
  });

  it("ends the turns that wait for the session before they have a worker, and frees their request ids", async () => {
    const running = await scene.hold(inSession("s", "hold on"));
    const waiting = scene.chat({ prompt: "next", session: { id: "s" }, busyPolicy: BusyPolicy.QUEUE, requestId: "r" });
    const refused = reasonOf(waiting);
    await until(async () => (await scene.ask(listTurns, { state: TurnState.WAITING })).turns.length === 1);
    const claims = scene.pool.requests.length;
    await scene.ask(deleteSession, { id: "s", force: true });
    expect(await refused).toBe("SESSION_NOT_FOUND");
    await running.rest;
    expect(scene.pool.requests).toHaveLength(claims);
    expect(textOf(await scene.chat({ prompt: "another", requestId: "r" }))).toBe("another");
  });

  it("ends a turn that has the session and waits for a worker, which never gets its prompt", async () => {
    const waits = Promise.withResolvers<void>();
    scene.pool.onClaim = async ({ signal }) => {
      waits.resolve();
      await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    };
    const refused = reasonOf(scene.chat({ ...inSession("s"), requestId: "r" }));
    await waits.promise;
    scene.pool.onClaim = async () => {};
    expect((await scene.ask(getSession, { id: "s" })).session?.state).toBe(SessionState.RUNNING);
    expect(await reasonOf(scene.ask(deleteSession, { id: "s" }))).toBe("SESSION_BUSY");
    await scene.ask(deleteSession, { id: "s", force: true });
    expect(await refused).toBe("TURN_INTERRUPTED");
    expect(await reasonOf(scene.ask(getTurn, { turn: { case: "requestId", value: "r" } }))).toBe("TURN_NOT_FOUND");
  });

  it("leaves nothing of the words where callers, logs and the store can see them", async () => {
    const [first] = await scene.chat(inSession("s", "canary-words"));
    await scene.chat({ ...inSession("s", "canary-words"), requestId: "r" });
    await scene.ask(deleteSession, { id: "s" });
    const { turnId } = first!;
    expect(await reasonOf(scene.ask(getTurn, { turn: { case: "turnId", value: turnId } }))).toBe("TURN_NOT_FOUND");
    expect(await reasonOf(scene.ask(getTurn, { turn: { case: "requestId", value: "r" } }))).toBe("TURN_NOT_FOUND");
    const { events } = scene.attach({ turn: { case: "turnId", value: turnId } });
    expect(await reasonOf(events.next())).toBe("TURN_NOT_FOUND");
    expect((await scene.ask(listTurns, {})).turns).toEqual([]);
    expect(JSON.stringify(scene.lines)).not.toContain("canary-words");
  });
});

describe("a list of sessions", () => {
  it("goes on where its page token says, and takes no other list's token, nor a made-up one", async () => {
    for (const at of [1, 2, 3]) await scene.ask(createSession, { id: `s${at}`, title: "A trip" });
    const first = await scene.ask(listSessions, { pageSize: 2 });
    expect(first.sessions).toHaveLength(2);
    const pageToken = first.nextPageToken;
    const rest = await scene.ask(listSessions, { pageToken, pageSize: 1_000 });
    expect([rest.sessions.length, rest.nextPageToken]).toEqual([1, ""]);
    const refused = (request: object, caller = acme) =>
      saidBy(scene.ask(listSessions, { pageToken, ...request }, caller));
    const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const [mark, atMs, id] = JSON.parse(Buffer.from(pageToken, "base64url").toString()) as [string, number, string];
    for (const call of [
      refused({}, umbrella),
      refused({}, { ...acme, profiles: ["default"] }),
      refused({ titleContains: "trip" }),
      refused({ labels: { a: "b" } }),
      refused({ state: SessionState.IDLE }),
      refused({ profile: "default" }),
      refused({ pageToken: "nonsense" }),
      refused({ pageToken: forged(null) }),
      refused({ pageToken: forged([mark, "now", id]) }),
      refused({ pageToken: forged([mark, atMs]) }),
      refused({ pageToken: forged([mark, atMs, { id }]) }),
      refused({ pageToken: "x".repeat(1_025) }),
      reasonOf(scene.ask(listTurns, { pageToken })),
    ]) {
      expect(await call).toContain("INVALID_REQUEST");
    }
    // A place that never was is a place all the same: what it names are the caller's own.
    const odd = await scene.ask(listSessions, { pageToken: forged([mark, Number.MAX_VALUE, "\ud800'; drop table"]) });
    expect(odd.sessions).toHaveLength(3);
  });

  it("refuses sizes beyond its bounds, and states that do not exist", async () => {
    for (const request of [{ pageSize: -1 }, { pageSize: 1_001 }, { state: 99 as SessionState }]) {
      expect(await reasonOf(scene.ask(listSessions, request))).toBe("INVALID_REQUEST");
    }
  });

  it("takes a filter's text as it is, not as a pattern, and without regard to the case of any letter", async () => {
    await scene.ask(createSession, { id: "a", title: "100% sure" });
    await scene.ask(createSession, { id: "b", title: "ÄRGER_x" });
    const found = async (titleContains: string) =>
      (await scene.ask(listSessions, { titleContains })).sessions.map(({ id }) => id);
    expect(await found("%")).toEqual(["a"]);
    expect(await found("_")).toEqual(["b"]);
    expect(await found("ärger")).toEqual(["b"]);
    expect(await found("' or 1=1")).toEqual([]);
  });

  it("names each session that does not change exactly once, while others are written", async () => {
    const still = Array.from({ length: 60 }, (_, at) => `still-${at}`);
    for (const id of still) await scene.ask(createSession, { id });
    const seen: string[] = [];
    let pageToken = "";
    do {
      const [page] = await Promise.all([
        scene.ask(listSessions, { pageSize: 7, pageToken }),
        scene.ask(createSession, { id: `new-${seen.length}` }),
        scene.ask(updateSession, { id: "still-0", updateMask: { paths: ["title"] }, title: String(seen.length) }),
      ]);
      seen.push(...page.sessions.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    const counted = still.slice(1).map((id) => seen.filter((one) => one === id).length);
    expect(counted).toEqual(still.slice(1).map(() => 1));
  });

  it("keeps its order when the clock is set back an hour, and what is there stays there", async () => {
    await scene.chat(inSession("s", "one"));
    scene.clock.setBy(-3_600_000);
    await scene.chat(inSession("s", "two"));
    const { turns } = await scene.ask(listTurns, { sessionId: "s", view: TurnView.FULL });
    expect(turns.map(({ prompt }) => prompt[0]?.text)).toEqual(["one", "two"]);
    const { session } = await scene.ask(getSession, { id: "s" });
    expect(session?.state).toBe(SessionState.IDLE);
    expect(session!.expireTime!.seconds - session!.createTime!.seconds).toBeGreaterThanOrEqual(30n * 86_400n);
    scene.clock.setBy(3_600_000);
  });
});
