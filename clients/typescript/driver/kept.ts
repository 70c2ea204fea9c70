/**
 * The commands about what the server keeps.
 */
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { KeptAnswer, KeptCommand, SessionAnswer, SessionCommand } from "../../suite/protocol.ts";
import {
  BusyPolicy,
  type ClaudeRunnerClient,
  CreateSessionRequestSchema,
  CreateSessionResponseSchema,
  DeleteSessionRequestSchema,
  DeleteSessionResponseSchema,
  ForkSessionRequestSchema,
  ForkSessionResponseSchema,
  GetSessionRequestSchema,
  GetSessionResponseSchema,
  GetTurnRequestSchema,
  GetTurnResponseSchema,
  InterruptTurnRequestSchema,
  InterruptTurnResponseSchema,
  ListSessionsRequestSchema,
  ListSessionsResponseSchema,
  ListTurnsRequestSchema,
  ListTurnsResponseSchema,
  StartedSchema,
  UpdateSessionRequestSchema,
  UpdateSessionResponseSchema,
} from "../src/node.ts";
import type { Connections } from "./connections.ts";
import { answered, failureOf, json, parsed } from "./messages.ts";

export async function session(command: SessionCommand, connections: Connections): Promise<SessionAnswer> {
  const { target, sessionId, prompts, title, labels, allowMissing } = command;
  const policy = command.busyPolicy?.replace("BUSY_POLICY_", "") as keyof typeof BusyPolicy | undefined;
  const talk = connections.to(target).client.session(sessionId, {
    ...(allowMissing !== undefined && { create: allowMissing }),
    ...(title !== undefined && { title }),
    ...(labels !== undefined && { labels }),
    ...(policy !== undefined && { busyPolicy: BusyPolicy[policy] }),
  });
  const turns: { text: string; turnId: string; started: object }[] = [];
  const error = await failureOf(async () => {
    for (const prompt of prompts) {
      const turn = talk.stream(prompt);
      await turn.result();
      if (turn.started === undefined) throw new Error("a turn that ended well has begun");
      turns.push({ text: turn.collectedText, turnId: turn.turnId, started: json(StartedSchema, turn.started) });
    }
  });
  return { turns, ...error };
}

/** Answers with what the method gave, in the response of the service. */
export function kept({ target, method, request }: KeptCommand, connections: Connections): Promise<KeptAnswer> {
  const { client } = connections.to(target);
  switch (method) {
    case "createSession":
      return answeredBy(CreateSessionResponseSchema, async () => ({
        session: await client.createSession(parsed(CreateSessionRequestSchema, request)),
      }));
    case "getSession":
      return answeredBy(GetSessionResponseSchema, async () => ({
        session: await client.session(parsed(GetSessionRequestSchema, request).id).get(),
      }));
    case "listSessions":
      return answeredBy(ListSessionsResponseSchema, async () => ({
        sessions: await Array.fromAsync(client.sessions(parsed(ListSessionsRequestSchema, request))),
      }));
    case "updateSession":
      return answeredBy(UpdateSessionResponseSchema, async () => ({ session: await update(client, request) }));
    case "deleteSession":
      return answeredBy(DeleteSessionResponseSchema, () => {
        const { id, force } = parsed(DeleteSessionRequestSchema, request);
        return client.session(id).delete({ force });
      });
    case "forkSession":
      return answeredBy(ForkSessionResponseSchema, async () => ({ session: await fork(client, request) }));
    case "listTurns":
      return answeredBy(ListTurnsResponseSchema, async () => ({
        turns: await Array.fromAsync(client.turns(parsed(ListTurnsRequestSchema, request))),
      }));
    case "getTurn":
      return answeredBy(GetTurnResponseSchema, () => {
        const { turn, view } = parsed(GetTurnRequestSchema, request);
        return client.getTurn(turn.case === "requestId" ? { requestId: turn.value } : (turn.value ?? ""), { view });
      });
    case "interruptTurn":
      return answeredBy(InterruptTurnResponseSchema, () =>
        client.interruptTurn(parsed(InterruptTurnRequestSchema, request).turnId),
      );
    default:
      throw new Error(`no such method: ${method satisfies never}`);
  }
}

function update(client: ClaudeRunnerClient, request: object) {
  const { id, updateMask, title, labels, idleExpiry } = parsed(UpdateSessionRequestSchema, request);
  const isChanged = (path: string) => updateMask?.paths.includes(path) ?? false;
  return client.session(id).update({
    ...(isChanged("title") && { title }),
    ...(isChanged("labels") && { labels }),
    ...(isChanged("idle_expiry") && idleExpiry && { idleExpiryMs: durationMs(idleExpiry) }),
  });
}

function fork(client: ClaudeRunnerClient, request: object) {
  const { id, newId, until, title } = parsed(ForkSessionRequestSchema, request);
  return client.session(id).fork({
    newId,
    ...(until.case === "lastTurnId" && { lastTurnId: until.value }),
    ...(until.case === "beforeTurnId" && { beforeTurnId: until.value }),
    ...(title !== undefined && { title }),
  });
}

function answeredBy<D extends DescMessage>(schema: D, call: () => Promise<MessageInitShape<D>>): Promise<KeptAnswer> {
  return answered(schema, (async () => create(schema, await call()))());
}
