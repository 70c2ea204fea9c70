/**
 * Conversations that the server keeps, and turns that are asked for again.
 */
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { readTurn } from "../../../test/contract/turn.ts";
import { type Behaviour, errorOf, expectWell, resultOf, scenario } from "../behaviour.ts";
import type { ClientUnderTest } from "../client.ts";
import { markedTurn, type Scene, targetOf } from "../lab.ts";
import type { KeptAnswer, KeptCommand, Target } from "../protocol.ts";

/** Tells the prompts and answers that the model was sent. */
const asked = scenario("conversation");

/** An answer that takes its time. */
const slow = (text: string, betweenDeltasMs = 30) => scenario("text", { text, deltas: [...text], betweenDeltasMs });

const newId = () => `suite-${randomUUID()}`;

/** What a call gave that has to go well. */
async function kept<T>(
  client: ClientUnderTest,
  target: Target,
  method: KeptCommand["method"],
  request: object,
): Promise<T> {
  const answer: KeptAnswer = await client.kept(target, method, request);
  expectWell(answer);
  return answer.response as T;
}

interface SessionJson {
  readonly id: string;
  readonly title?: string;
  readonly turnCount?: number;
}
interface TurnJson {
  readonly id: string;
  readonly state: string;
  readonly outcome?: string;
  readonly prompt?: readonly { readonly text: string }[];
}

/** A turn of a session that somebody else has begun and reads. */
async function elsewhere(scene: Scene, sessionId: string, prompt: string) {
  const started = Promise.withResolvers<string>();
  const over = readTurn(
    scene.client.streamChat({ prompt, session: { id: sessionId, allowMissing: true } }),
    ({ turnId }) => started.resolve(turnId),
  );
  over.catch(started.reject);
  return { turnId: await started.promise, over };
}

export const sessions: readonly Behaviour[] = [
  {
    title: "goes on in a session with what was said",
    async holds(client, lab) {
      const target = targetOf(await lab.main());
      const id = newId();
      const answer = await client.session(target, id, ["My name is Ada.", asked], { title: "A trip" });
      expectWell(answer);
      expect(answer.turns.map(({ started }) => started)).toMatchObject([
        { sessionId: id, conversationSource: "CONVERSATION_SOURCE_NEW" },
        // Kept by its worker, or given to another one.
        { sessionId: id, conversationSource: expect.stringMatching(/_(KEPT|SEEDED)$/) },
      ]);
      expect(answer.turns[1]!.text).toContain("My name is Ada.");
      const { session } = await kept<{ session: SessionJson }>(client, target, "getSession", { id });
      expect(session).toMatchObject({ id, title: "A trip", turnCount: 2, state: "SESSION_STATE_IDLE" });
      const words = { sessionId: id, view: "TURN_VIEW_FULL", pageSize: 1 };
      const { turns } = await kept<{ turns: TurnJson[] }>(client, target, "listTurns", words);
      expect(turns.map(({ id: turnId }) => turnId)).toEqual(answer.turns.map(({ turnId }) => turnId));
      expect(turns.map(({ prompt }) => prompt?.[0]?.text)).toEqual(["My name is Ada.", asked]);
    },
  },
  {
    title: "does not create a session that must exist",
    async holds(client, lab) {
      const target = targetOf(await lab.main());
      const answer = await client.session(target, newId(), ["Hello"], { allowMissing: false });
      expect(errorOf(answer)).toMatchObject({ code: "NOT_FOUND", reason: "SESSION_NOT_FOUND", mayRetry: false });
    },
  },
  {
    title: "reports that a session is busy and with which turn, and interrupts that one if it is asked to",
    async holds(client, lab) {
      const scene = await lab.main();
      const id = newId();
      const running = await elsewhere(scene, id, slow("x".repeat(2_000)));
      const refused = await client.session(targetOf(scene), id, ["Hello"]);
      expect(errorOf(refused)).toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "SESSION_BUSY",
        facts: { runningTurnId: running.turnId },
        mayRetry: false,
      });
      const next = await client.session(targetOf(scene), id, [asked], { busyPolicy: "BUSY_POLICY_INTERRUPT" });
      expectWell(next);
      expect(next.turns[0]!.text).not.toContain("xxx");
      expect((await running.over).failure).toBeDefined();
    },
  },
  {
    title: "creates, lists, changes, forks and deletes sessions",
    async holds(client, lab) {
      const target = targetOf(await lab.main());
      const suite = randomUUID();
      const ids: string[] = [];
      for (const title of ["One", "Two", "Three"]) {
        const request = { title, labels: { suite } };
        const { session } = await kept<{ session: SessionJson }>(client, target, "createSession", request);
        ids.unshift(session.id);
      }
      const listed = async () => {
        const request = { labels: { suite }, pageSize: 2 };
        return (await kept<{ sessions?: SessionJson[] }>(client, target, "listSessions", request)).sessions ?? [];
      };
      expect((await listed()).map(({ id }) => id)).toEqual(ids);
      const change = { id: ids[2], title: "First", updateMask: "title" };
      const { session: changed } = await kept<{ session: SessionJson }>(client, target, "updateSession", change);
      expect(changed).toMatchObject({ id: ids[2], title: "First", labels: { suite } });

      const said = await client.session(target, ids[0]!, ["Root", "Branch"], { labels: { suite } });
      expectWell(said);
      const fork = { id: ids[0], newId: newId(), beforeTurnId: said.turns[1]!.turnId };
      const { session: copy } = await kept<{ session: SessionJson }>(client, target, "forkSession", fork);
      expect(copy).toMatchObject({ id: fork.newId, turnCount: 1, forkedFrom: { sessionId: ids[0] } });

      for (const id of [...ids, copy.id]) await kept(client, target, "deleteSession", { id });
      expect(await listed()).toEqual([]);
      expect(errorOf(await client.kept(target, "getSession", { id: copy.id })).reason).toBe("SESSION_NOT_FOUND");
    },
  },
  {
    title: "gets the same turn for two calls with one request id",
    async holds(client, lab) {
      const scene = await lab.main();
      const mark = randomUUID();
      const request = { prompt: `${mark} ${slow("the only answer")}`, requestId: newId() };
      const target = targetOf(scene);
      const [one, two] = await Promise.all([client.stream(target, request), client.beside().stream(target, request)]);
      for (const answer of [one, two]) {
        expectWell(answer);
        expect(answer).toMatchObject({ text: "the only answer", gapFree: true, kinds: { started: 1, result: 1 } });
      }
      expect(two.turnId).toBe(one.turnId);
      expect((await client.chat(target, request)).response).toMatchObject({ turnId: one.turnId });
      expect(scene.standin.requests.filter(({ bodyText }) => bodyText.includes(mark))).toHaveLength(1);
      const other = await client.stream(target, { ...request, prompt: "another" });
      expect(errorOf(other)).toMatchObject({ code: "ALREADY_EXISTS", reason: "REQUEST_ID_REUSED" });
    },
  },
  {
    title: "reads a turn again, by either id and from any event on",
    async holds(client, lab) {
      const target = targetOf(await lab.main());
      const requestId = newId();
      const first = await client.stream(target, { prompt: slow("once more", 5), requestId });
      expectWell(first);
      const again = await client.call<"attach">({ do: "attach", target, turnId: first.turnId });
      expectWell(again);
      expect(again).toMatchObject({ text: "once more", gapFree: true, firstKind: "started", lastKind: "result" });
      expect(again.eventCount).toBe(first.eventCount);
      const rest = await client.call<"attach">({ do: "attach", target, requestId, afterSequence: 3 });
      expectWell(rest);
      expect(rest).toMatchObject({ gapFree: true, eventCount: first.eventCount - 3, turnId: first.turnId });
      const nothing = await client.call<"attach">({ do: "attach", target, turnId: randomUUID() });
      expect(errorOf(nothing)).toMatchObject({ code: "NOT_FOUND", reason: "TURN_NOT_FOUND" });
    },
  },
  {
    title: "stops a turn that another program runs",
    async holds(client, lab) {
      const scene = await lab.main();
      const target = targetOf(scene);
      const mark = randomUUID();
      const requestId = newId();
      const { labels, booked } = markedTurn(scene);
      const running = client
        .beside()
        .stream(target, { prompt: `${mark} ${slow("z".repeat(2_000))}`, labels, requestId });
      await scene.standin.waitForRequest(({ bodyText }) => bodyText.includes(mark));
      const { turn } = await kept<{ turn: TurnJson }>(client, target, "getTurn", { requestId });
      expect(turn.state).toBe("TURN_STATE_RUNNING");
      const stopped = await kept<{ interrupted?: boolean }>(client, target, "interruptTurn", { turnId: turn.id });
      expect(stopped).toMatchObject({ interrupted: true, turn: { outcome: "OUTCOME_INTERRUPTED" } });
      const answer = await running;
      expect(errorOf(answer)).toMatchObject({ code: "ABORTED", reason: "TURN_INTERRUPTED", mayRetry: false });
      expect(resultOf(answer).outcome).toBe("OUTCOME_INTERRUPTED");
      expect(await booked).toMatchObject({ turnId: turn.id, outcome: "interrupted" });
    },
  },
];
