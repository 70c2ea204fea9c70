/**
 * Compares what the callers of a server that was killed were told with what the next one knows, and writes down what is not
 * as it must be.
 */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ErrorReasonSchema } from "../../gen/claude/runner/v1/error_pb.ts";
import { ConversationSourceSchema } from "../../gen/claude/runner/v1/event_pb.ts";
import { Outcome, OutcomeSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { SessionState, SessionStateSchema } from "../../gen/claude/runner/v1/session_pb.ts";
import { TurnState } from "../../gen/claude/runner/v1/turn_pb.ts";
import type { RecordEntry } from "../../test/fakes/fake-cli.ts";
import { cleanEnvironment } from "../child.ts";
import { childrenOf, processesIn } from "../processes.ts";
import type { Serving } from "../serving.ts";
import { answerOf, type Clients, reasonOf, type Told, type ToldTurn } from "./crash-load.ts";
import type { Rig } from "./crash-rig.ts";

const program = fileURLToPath(new URL("../../bin/claude-runner.js", import.meta.url));
const sessionsPrefix = "claude-runner-sessions-";
/** How long a worker may outlive its server, in milliseconds. */
const workersGoneMs = 5_000;

export class Audit {
  readonly problems: string[] = [];
  readonly startMs: number[] = [];
  readonly #requestIds: string[] = [];
  #acceptedCount = 0;
  #lostCount = 0;
  #sessionTurnCount = 0;
  #toolSessionTurnCount = 0;
  #suspendedCount = 0;

  figures() {
    return {
      acceptedCount: this.#acceptedCount,
      lostCount: this.#lostCount,
      sessionTurnCount: this.#sessionTurnCount,
      toolSessionTurnCount: this.#toolSessionTurnCount,
      suspendedCount: this.#suspendedCount,
      requestCount: this.#requestIds.length,
    };
  }

  /** No worker of a server that is dead, and no folder of one. */
  async leftovers(server: Serving, { workFolder }: Rig): Promise<void> {
    const strays = () => {
      const own = new Set(childrenOf(server.pid));
      return processesIn(workFolder).filter((pid) => !own.has(pid) && !childrenOf(server.pid).includes(pid));
    };
    const giveUpAtMs = performance.now() + workersGoneMs;
    while (strays().length > 0 && performance.now() < giveUpAtMs) await sleep(50);
    if (strays().length > 0) this.problems.push(`${strays().length} workers outlived their server`);
    const folders = readdirSync(workFolder).filter((name) => name.startsWith("claude-runner"));
    // Those of sessions' workers have the same place with every server.
    const [ofSessions = [], ofServers = []] = [true, false].map((isOfSessions) =>
      folders.filter((name) => name.startsWith(sessionsPrefix) === isOfSessions),
    );
    if (ofServers.length !== 1) this.problems.push(`${ofServers.length} work folders are there, of one server`);
    const left = ofSessions.flatMap((name) => readdirSync(join(workFolder, name)));
    if (left.length > 0) this.problems.push(`${left.length} folders of sessions' workers outlived their server`);
  }

  async storeIsWhole({ folder, storeFolder }: Rig): Promise<void> {
    const args = [program, "store", "check", "--folder", storeFolder, "--json"];
    try {
      await promisify(execFile)(process.execPath, args, { cwd: folder, env: cleanEnvironment(folder) });
    } catch (error) {
      this.problems.push(`store check: ${(error as { stdout?: string }).stdout || String(error)}`);
    }
  }

  /** What the callers of the dead server were told is what the next one knows, and everything goes on. */
  async whatWasTold({ turns, requests }: Told, clients: Clients): Promise<void> {
    const { runner, turns: service } = clients;
    for (const [name, state] of [
      ["waiting", TurnState.WAITING],
      ["running", TurnState.RUNNING],
    ] as const) {
      const open = await service.listTurns({ state, pageSize: 1_000 });
      if (open.turns.length > 0) this.problems.push(`${open.turns.length} turns are still ${name}`);
    }
    await each(turns.values(), async ({ turnId, outcome, sessionId, requestId }) => {
      this.#acceptedCount += 1;
      try {
        const { turn } = await service.getTurn({ turn: { case: "turnId", value: turnId } });
        if (turn?.state !== TurnState.ENDED) this.problems.push(`${turnId} has no end`);
        else if (outcome !== undefined && turn.outcome !== outcome && !mayBeLost(sessionId, requestId, turn.outcome)) {
          this.problems.push(`${turnId} was ${nameOf(outcome)} and is ${nameOf(turn.outcome)}`);
        }
        if (turn?.outcome === Outcome.LOST) this.#lostCount += 1;
      } catch (error) {
        this.problems.push(`${turnId} was accepted and is not known: ${reasonOf(error)}`);
      }
    });
    await this.#sessionsGoOn([...turns.values()], clients);
    const known = new Map([...turns.values()].map(({ requestId, turnId }) => [requestId, turnId]));
    await each(requests, async ({ requestId, prompt }) => {
      this.#requestIds.push(requestId);
      let turnId: string | undefined;
      const onHeader = (headers: Headers) => {
        turnId = headers.get("claude-runner-turn-id") ?? undefined;
      };
      try {
        for await (const event of runner.streamChat({ prompt, requestId }, { onHeader })) turnId ??= event.turnId;
      } catch (error) {
        if (!["TURN_LOST", "CANCELLED"].includes(reasonOf(error))) {
          this.problems.push(`a request that was repeated failed: ${reasonOf(error)}`);
        }
      }
      const before = known.get(requestId);
      if (before !== undefined && turnId !== undefined && before !== turnId) {
        this.problems.push(`the request ${requestId} had the turn ${before}, and has ${turnId}`);
      }
    });
  }

  /** No session is stuck, and none has lost a turn that its caller knew to be complete. */
  async #sessionsGoOn(told: readonly ToldTurn[], clients: Clients): Promise<void> {
    const { turns: service } = clients;
    const ids = new Map(
      told.flatMap(({ sessionId, hasTools }) => (sessionId === undefined ? [] : [[sessionId, hasTools]])),
    );
    await each(ids, async ([id, hasTools]) => {
      await this.#sessionGoesOn(id, hasTools, clients);
      const listed = new Set<string>();
      for (let pageToken = ""; ; ) {
        const page = await service.listTurns({ sessionId: id, pageSize: 1_000, pageToken });
        for (const turn of page.turns) if (turn.inConversation) listed.add(turn.id);
        pageToken = page.nextPageToken;
        if (pageToken === "") break;
      }
      for (const { turnId, sessionId, outcome } of told) {
        if (sessionId !== id || outcome !== Outcome.COMPLETED || listed.has(turnId)) continue;
        this.problems.push(`the session ${id} has lost its completed turn ${turnId}`);
      }
    });
  }

  /** It is idle and takes a turn, or one with tools is suspended, and says so with the same reason. */
  async #sessionGoesOn(id: string, hasTools: boolean, { runner, sessions }: Clients): Promise<void> {
    let suspendedFor: string | undefined;
    try {
      const { session } = await sessions.getSession({ id });
      if (session?.state === SessionState.SUSPENDED && hasTools) {
        suspendedFor = ErrorReasonSchema.value[session.suspension?.reason ?? 0]?.localName;
        this.#suspendedCount += 1;
      } else if (session?.state !== SessionState.IDLE) {
        this.problems.push(`the session ${id} is ${SessionStateSchema.value[session?.state ?? 0]?.localName}`);
      }
      const known = session?.turnCount === 0 ? "NEW" : hasTools ? "RESUMED" : "SEEDED";
      for await (const { event } of runner.streamChat({ prompt: answerOf(0, hasTools), session: { id } })) {
        if (event.case !== "started") continue;
        const source = ConversationSourceSchema.value[event.value.conversationSource]?.localName;
        if (source !== known) this.problems.push(`the session ${id} goes on as ${source} instead of ${known}`);
      }
      if (hasTools) this.#toolSessionTurnCount += 1;
      else this.#sessionTurnCount += 1;
    } catch (error) {
      const why = reasonOf(error);
      if (suspendedFor === undefined || why !== suspendedFor) {
        this.problems.push(`the session ${id} does not go on: ${why}`);
      }
    }
  }

  /** Each request ran once at most, by the account of the processes that ran it. */
  runs(record: readonly RecordEntry[]): void {
    const counts = new Map<string, number>();
    for (const { in: line } of record) {
      if (line?.type !== "user") continue;
      const [, id] = JSON.stringify(line).match(/\]\] ([0-9a-f-]{36})/) ?? [];
      if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    for (const requestId of this.#requestIds) {
      const count = counts.get(requestId) ?? 0;
      if (count > 1) this.problems.push(`the request ${requestId} ran ${count} times`);
    }
  }
}

/** The end of a turn that nobody can ask for again is written while its caller is told it. */
const mayBeLost = (sessionId: string | undefined, requestId: string | undefined, outcome: Outcome) =>
  sessionId === undefined && requestId === undefined && outcome === Outcome.LOST;

const nameOf = (outcome: Outcome) => OutcomeSchema.value[outcome]?.localName ?? String(outcome);

const atOnce = 8;

/** Several at a time. */
async function each<T>(items: Iterable<T>, run: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let step = left.next(); !step.done; step = left.next()) await run(step.value);
    }),
  );
}
