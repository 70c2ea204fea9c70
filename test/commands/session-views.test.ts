/** `claude-runner sessions` and `turns` against services that do what a test says, without a network. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { ErrorReason } from "../../gen/claude/runner/v1/error_pb.ts";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import {
  type ListSessionsRequest,
  SessionState,
  type UpdateSessionRequest,
} from "../../gen/claude/runner/v1/session_pb.ts";
import { type ListTurnsRequest, TurnState, TurnView } from "../../gen/claude/runner/v1/turn_pb.ts";
import { exitCodes } from "../../src/commands/exit-codes.ts";
import {
  deleteSessions,
  forkSession,
  listSessions,
  renameSession,
  showSession,
} from "../../src/commands/session-views.ts";
import { attachTurn, listTurns, showTurn, stopTurns } from "../../src/commands/turn-views.ts";
import { RunnerError } from "../../src/runner-error.ts";
import { toConnectError } from "../../src/service/errors.ts";
import { sessionBusy } from "../../src/sessions/refusals.ts";
import { keptServer } from "./kept-server.ts";

const turnId = "0198f3d2-5c1e-7d61-9c0e-2f6b8a1f0f10";
const at = timestampFromMs(1_700_000_000_000);
const trip = { id: "trip", state: SessionState.IDLE, title: "A\u001b[31m trip", turnCount: 2, updateTime: at };
const words = (text: string) => [{ mediaType: "text/plain", text, sizeBytes: BigInt(text.length) }];

describe("sessions list", () => {
  it("asks for page after page until it has as many as are wanted, and says how to go on", async () => {
    const asked: ListSessionsRequest[] = [];
    const { context, written } = keptServer({
      sessions: {
        listSessions(request) {
          asked.push(request);
          const count = Math.min(request.pageSize, 2);
          return { sessions: Array.from({ length: count }, () => trip), nextPageToken: `after${asked.length}` };
        },
      },
    });
    expect(await listSessions(context, { limit: 3, title: "trip", state: "idle", label: { team: "a" } })).toBe(
      exitCodes.ok,
    );
    expect(asked).toMatchObject([
      { pageSize: 3, pageToken: "", titleContains: "trip", state: SessionState.IDLE, labels: { team: "a" } },
      { pageSize: 1, pageToken: "after1", titleContains: "trip" },
    ]);
    expect(written.stdout.split("\n").filter((line) => line.startsWith("trip"))).toHaveLength(3);
    expect(written.stdout).not.toContain("\u001b");
    expect(written.stderr).toContain("--page-token after2");
  });

  it("prints one response as JSON, and nothing else", async () => {
    const { context, written } = keptServer({
      sessions: { listSessions: () => ({ sessions: [trip], nextPageToken: "more" }) },
    });
    await listSessions(context, { limit: 1, json: true });
    expect(JSON.parse(written.stdout)).toMatchObject({ sessions: [{ id: "trip" }], nextPageToken: "more" });
    expect(written.stderr).toBe("");
  });

  it("says how to make one when there is none", async () => {
    const { context, written } = keptServer({ sessions: { listSessions: () => ({}) } });
    expect(await listSessions(context, {})).toBe(exitCodes.ok);
    expect(written.stderr).toContain("chat --session NAME");
  });
});

describe("sessions show", () => {
  it("shows what was said, and marks what is no part of the conversation", async () => {
    const { context, written } = keptServer({
      sessions: { getSession: () => ({ session: trip }) },
      turns: {
        listTurns: ({ view, sessionId }) => {
          expect([view, sessionId]).toEqual([TurnView.FULL, "trip"]);
          const ended = { sessionId, state: TurnState.ENDED, hasContent: true };
          return {
            turns: [
              { ...ended, id: "t1", inConversation: true, prompt: words("one"), answer: words("eins") },
              { ...ended, id: "t2", outcome: Outcome.INTERRUPTED, prompt: words("two"), answer: words("zw") },
            ],
          };
        },
      },
    });
    expect(await showSession(context, "trip", { hasTurns: true, isJson: false })).toBe(exitCodes.ok);
    expect(written.stdout).toContain("\nt1\n› one\neins\n");
    expect(written.stdout).toContain("\ninterrupted · not part of the conversation · t2\n› two\nzw\n");
  });

  it("says what to do about one that is not there", async () => {
    const { context, written } = keptServer({
      sessions: {
        getSession() {
          throw toConnectError(new RunnerError("SESSION_NOT_FOUND", 'there is no session "trip"'));
        },
      },
    });
    expect(await showSession(context, "trip", { hasTurns: true, isJson: false })).toBe(exitCodes.usage);
    expect(written.stderr).toContain("(SESSION_NOT_FOUND)");
    expect(written.stderr).toContain("claude-runner sessions list");
  });
});

describe("sessions rename, fork and delete", () => {
  it("rename changes the title alone", async () => {
    const asked: UpdateSessionRequest[] = [];
    const { context } = keptServer({
      sessions: {
        updateSession(request) {
          asked.push(request);
          return { session: { ...trip, title: request.title } };
        },
      },
    });
    await renameSession(context, "trip", "Rome", false);
    expect(asked).toMatchObject([{ id: "trip", title: "Rome", updateMask: { paths: ["title"] } }]);
  });

  it("fork prints the id of the copy alone on stdout", async () => {
    const { context, written } = keptServer({
      sessions: {
        forkSession: ({ until, newId }) => {
          expect(until).toEqual({ case: "beforeTurnId", value: turnId });
          return { session: { ...trip, id: newId } };
        },
      },
    });
    const asked = { id: "trip", newId: "copy", until: undefined, before: turnId, title: undefined, isJson: false };
    await forkSession(context, asked);
    expect(written.stdout).toBe("copy\n");
  });

  const deleting = (input: string) => {
    const deleted: string[] = [];
    const server = keptServer(
      {
        sessions: {
          deleteSession({ id }) {
            if (id === "busy") throw toConnectError(sessionBusy(id, turnId));
            deleted.push(id);
            return {};
          },
        },
      },
      { input },
    );
    return { ...server, deleted };
  };
  const asked = { isSure: false, isForced: false, isJson: false };

  it.each(["n\n", "\n", ""])("delete does nothing unless the person agrees: %j", async (input) => {
    const { context, deleted } = deleting(input);
    expect(await deleteSessions(context, ["trip"], asked)).toBe(exitCodes.interrupted);
    expect(deleted).toEqual([]);
  });

  it("delete deletes when the person agrees, and what can be deleted of several", async () => {
    const agreed = deleting("y\n");
    expect(await deleteSessions(agreed.context, ["trip"], asked)).toBe(exitCodes.ok);
    expect(agreed.deleted).toEqual(["trip"]);
    const several = deleting("");
    const sure = { ...asked, isSure: true };
    expect(await deleteSessions(several.context, ["a", "busy", "b"], sure)).toBe(exitCodes.usage);
    expect(several.deleted).toEqual(["a", "b"]);
    expect(several.written.stderr).toContain(`claude-runner turns stop ${turnId}`);
  });
});

describe("turns", () => {
  it("list names the tenants when it is asked for all of them", async () => {
    const asked: ListTurnsRequest[] = [];
    const { context, written } = keptServer({
      turns: {
        listTurns(request) {
          asked.push(request);
          return { turns: [{ id: turnId, tenant: "acme", state: TurnState.RUNNING, acceptTime: at }] };
        },
      },
    });
    await listTurns(context, { allTenants: true, state: "running" });
    expect(asked).toMatchObject([{ allTenants: true, state: TurnState.RUNNING, view: TurnView.BASIC }]);
    expect(written.stdout).toMatch(new RegExp(`${turnId} +running .*acme`));
  });

  it("show has the final text where the words are not kept", async () => {
    const turn = { id: turnId, state: TurnState.ENDED, outcome: Outcome.COMPLETED };
    const { context, written } = keptServer({ turns: { getTurn: () => ({ turn, result: { text: "the answer" } }) } });
    await showTurn(context, { case: "requestId", value: "r1" }, false);
    expect(written.stdout).toContain("completed");
    expect(written.stdout).toContain("\nthe answer\n");
  });

  it("attach shows a failed turn as failed, although its call ends well", async () => {
    const error = { reason: ErrorReason.TURN_LOST, message: "the server died" };
    const { context, written } = keptServer({
      turns: {
        async *attachTurn() {
          yield { message: { case: "state", value: { id: turnId } } };
          yield {
            message: { case: "event", value: { sequence: 1, event: { case: "textDelta", value: { text: "Hel" } } } },
          };
          const result = { outcome: Outcome.LOST, error };
          yield { message: { case: "event", value: { sequence: 2, event: { case: "result", value: result } } } };
        },
      },
    });
    const asked = { afterSequence: 0, isJson: false, isQuiet: false };
    expect(await attachTurn(context, { case: "turnId", value: turnId }, asked)).toBe(exitCodes.failed);
    expect(written.stdout).toBe("Hel\n");
    expect(written.stderr).toContain("the turn failed: the server died (TURN_LOST)");
  });

  it("stop says which it has stopped, and which had ended", async () => {
    const { context, written } = keptServer({
      turns: { interruptTurn: ({ turnId: id }) => ({ interrupted: id === "a" }) },
    });
    expect(await stopTurns(context, ["a", "b"], false)).toBe(exitCodes.ok);
    expect(written.stdout).toBe("stopped a\nhad ended already: b\n");
  });
});
