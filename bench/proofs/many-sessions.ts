/**
 * Many more sessions than workers, of several tenants, each with two messages on their way at a time: every session must
 * get all of its turns, in order, and no tenant may be left behind.
 *
 * For the bench (`bench/scenarios/sessions.ts`) and, with fewer sessions, for `npm test`.
 */

import { BusyPolicy } from "../../gen/claude/runner/v1/runner_pb.ts";
import { TurnView } from "../../gen/claude/runner/v1/turn_pb.ts";
import { type Clients, clientsOf, reasonOf } from "./crash-load.ts";

export interface ManySessionsOptions {
  readonly ports: { readonly grpcPort: number; readonly webPort: number };
  /** By tenant. */
  readonly tokens: ReadonlyMap<string, string>;
  readonly sessionsPerTenant: number;
  readonly turnsPerSession: number;
  readonly signal: AbortSignal;
  readonly progress?: (doneShare: number) => void;
}

export interface ManySessionsOutcome {
  readonly turnCount: number;
  /** How alike the tenants were served when half of all turns were over: 1 is alike, 1/n is one of n alone. */
  readonly fairnessAtHalf: number;
  /** Between a message and the end of its turn, in milliseconds. */
  readonly turnMs: readonly number[];
  readonly problems: readonly string[];
}

export async function serveManySessions(options: ManySessionsOptions): Promise<ManySessionsOutcome> {
  const { ports, tokens, sessionsPerTenant, turnsPerSession, signal, progress } = options;
  const total = tokens.size * sessionsPerTenant * turnsPerSession;
  const served = new Map<string, number>([...tokens.keys()].map((tenant) => [tenant, 0]));
  const turnMs: number[] = [];
  const problems: string[] = [];
  let fairnessAtHalf = Number.NaN;
  let doneCount = 0;

  const turn = async (client: Clients, tenant: string, id: string, number: number) => {
    const sinceMs = performance.now();
    const session = { id, allowMissing: true };
    try {
      await client.runner.chat({ prompt: messageOf(number), session, busyPolicy: BusyPolicy.QUEUE }, { signal });
      served.set(tenant, (served.get(tenant) ?? 0) + 1);
    } catch (error) {
      problems.push(`message ${number} of ${tenant}'s ${id} failed: ${reasonOf(error)}`);
    }
    turnMs.push(performance.now() - sinceMs);
    doneCount += 1;
    if (doneCount === Math.ceil(total / 2)) fairnessAtHalf = fairness([...served.values()]);
    progress?.(doneCount / total);
  };
  const oneSession = async (client: Clients, tenant: string, id: string) => {
    for (let number = 1; number <= turnsPerSession; number += 2) {
      const first = turn(client, tenant, id, number);
      if (number < turnsPerSession) await Promise.all([first, turn(client, tenant, id, number + 1)]);
      else await first;
    }
    const { turns } = await client.turns.listTurns({ sessionId: id, view: TurnView.FULL, pageSize: 1_000 });
    const said = turns.flatMap(({ prompt, inConversation }) => (inConversation ? [prompt[0]?.text ?? ""] : []));
    const wanted = Array.from({ length: turnsPerSession }, (_, at) => messageOf(at + 1));
    if (said.join() !== wanted.join()) problems.push(`${tenant}'s ${id} has its messages as ${said.join(", ")}`);
  };
  await Promise.all(
    [...tokens].flatMap(([tenant, token]) => {
      // The order of two messages is that of one connection.
      const [client] = clientsOf(ports, token);
      return Array.from({ length: sessionsPerTenant }, (_, at) => oneSession(client, tenant, `s-${at}`));
    }),
  );
  return { turnCount: doneCount, fairnessAtHalf, turnMs, problems };
}

const messageOf = (number: number) => `Message ${number}.`;

/** The index of Jain. */
function fairness(counts: readonly number[]): number {
  const sum = counts.reduce((all, count) => all + count, 0);
  return sum ** 2 / (counts.length * counts.reduce((all, count) => all + count ** 2, 0));
}
