/** Sessions and turns that are kept: somebody else's, and what is not meant for them. */
import { randomUUID } from "node:crypto";
import { connect } from "node:http2";
import { expect } from "vitest";
import { slowAnswer } from "../../faults/fake-scene.ts";
import type { AttackGroup } from "../attack.ts";
import { bearer, type Lab, paths, tokens } from "../lab.ts";

type Tenant = keyof typeof tokens;

/** A call as a tenant: its status of HTTP, and what it said. */
async function asking(lab: Lab, tenant: Tenant, path: string, request: object) {
  const { status, body } = await lab.json(JSON.stringify(request), { path, headers: [bearer(tokens[tenant])] });
  return { status, said: JSON.parse(body) as Record<string, unknown> };
}

/** A session of `umbrella` with a turn in it. */
async function theirSession(lab: Lab): Promise<{ readonly id: string; readonly turnId: string }> {
  const id = randomUUID();
  const request = { prompt: "canary-of-umbrella", session: { id, allowMissing: true } };
  const { said } = await asking(lab, "umbrella", paths.chat, request);
  return { id, turnId: String(said.turnId) };
}

export const sessions: AttackGroup = {
  title: "Sessions and turns",
  file: "sessions.ts",
  attacks: [
    {
      tries: "the ids of another tenant's session and turn, in every method that takes one",
      expects: "get the words that ids get which never were",
      async run(lab) {
        const theirs = await theirSession(lab);
        const missing = { id: randomUUID(), turnId: randomUUID() };
        const calls = ({ id, turnId }: typeof theirs): readonly (readonly [string, object])[] => [
          [paths.getSession, { id }],
          [paths.forkSession, { id }],
          [paths.deleteSession, { id, force: true }],
          [paths.listTurns, { sessionId: id, view: "TURN_VIEW_FULL" }],
          [paths.chat, { prompt: "x", session: { id } }],
          [paths.getTurn, { turnId, view: "TURN_VIEW_FULL" }],
          [paths.interruptTurn, { turnId }],
        ];
        const heard = async (ids: typeof theirs) => {
          const answers = [];
          for (const [path, request] of calls(ids)) {
            const { status, said } = await asking(lab, "acme", path, request);
            answers.push([
              status,
              said.code,
              String(said.message).replaceAll(ids.id, "ID").replaceAll(ids.turnId, "TURN"),
            ]);
          }
          return answers;
        };
        const never = await heard(missing);
        expect(never.map(([status]) => status)).toEqual(never.map(() => 404));
        expect(await heard(theirs)).toEqual(never);
        expect((await asking(lab, "umbrella", paths.getSession, { id: theirs.id })).status).toBe(200);
      },
    },
    {
      tries: "another tenant's session id and request_id as one's own",
      expects: "are one's own: nothing of the other's comes back",
      async run(lab) {
        const { id } = await theirSession(lab);
        const request = { prompt: "mine", session: { id, allowMissing: true }, requestId: id };
        const { status, said } = await asking(lab, "acme", paths.chat, request);
        expect([status, said.text]).toEqual([200, "You said: mine"]);
        const { said: listed } = await asking(lab, "acme", paths.listTurns, { sessionId: id, view: "TURN_VIEW_FULL" });
        expect(listed.turns).toHaveLength(1);
        expect(JSON.stringify(listed)).not.toContain("canary-of-umbrella");
      },
    },
    {
      tries: "an operator's token for what another tenant said",
      expects: "lists and stops turns, and shows no word of them",
      async run(lab) {
        const { id, turnId } = await theirSession(lab);
        const all = await asking(lab, "operator", paths.listTurns, { allTenants: true });
        expect(JSON.stringify(all.said)).toContain(turnId);
        expect(JSON.stringify(all.said)).not.toContain("canary-of-umbrella");
        for (const [path, request] of [
          [paths.listTurns, { allTenants: true, view: "TURN_VIEW_FULL" }],
          [paths.getTurn, { turnId, view: "TURN_VIEW_FULL" }],
          [paths.getSession, { id }],
        ] as const) {
          const { status, said } = await asking(lab, "operator", path, request);
          expect(status).toBeGreaterThanOrEqual(400);
          expect(JSON.stringify(said)).not.toContain("canary-of-umbrella");
        }
        expect((await asking(lab, "acme", paths.listTurns, { allTenants: true })).status).toBe(403);
      },
    },
    {
      tries: "page tokens of another tenant, of another list, and made up",
      expects: "are refused",
      async run(lab) {
        for (let at = 0; at < 2; at += 1) await theirSession(lab);
        const { said } = await asking(lab, "umbrella", paths.listSessions, { pageSize: 1 });
        const { nextPageToken: pageToken } = said;
        expect(pageToken).toBeTypeOf("string");
        const forged = Buffer.from(JSON.stringify(["", 1e308, "x"])).toString("base64url");
        for (const [tenant, path, request] of [
          ["acme", paths.listSessions, { pageToken }],
          ["umbrella", paths.listTurns, { pageToken }],
          ["umbrella", paths.listSessions, { pageToken, titleContains: "x" }],
          ["umbrella", paths.listSessions, { pageToken: forged }],
          ["umbrella", paths.listSessions, { pageToken: "x".repeat(5_000) }],
        ] as const) {
          expect((await asking(lab, tenant, path, request)).status).toBe(400);
        }
      },
    },
    {
      tries: "ids of sessions that are paths, objects' own names or statements",
      expects: "are refused, or are names like any other",
      async run(lab) {
        for (const id of ["../../etc/passwd", "a/b", "a\0b", "x' or 1=1 --", "а"]) {
          expect((await asking(lab, "acme", paths.createSession, { id })).status).toBe(400);
        }
        for (const id of ["..", "__proto__", "constructor"]) {
          expect((await asking(lab, "acme", paths.createSession, { id })).status).toBe(200);
          expect((await asking(lab, "acme", paths.deleteSession, { id })).status).toBe(200);
        }
      },
    },
    {
      tries: "a hundred readers of one turn that read nothing",
      expects: "leave room for 64, and the turn goes on",
      async run(lab) {
        const requestId = randomUUID();
        const running = lab.json(JSON.stringify({ prompt: slowAnswer, requestId }));
        const turn = async () => (await asking(lab, "acme", paths.getTurn, { requestId })).said.turn as { id?: string };
        let turnId: string | undefined;
        while (turnId === undefined) turnId = (await turn())?.id;
        const session = connect(`http://127.0.0.1:${lab.port("web")}`, { settings: { initialWindowSize: 100 } });
        try {
          const statuses = await Promise.all(
            Array.from({ length: 100 }, async () => {
              const stream = session.request({
                ":method": "POST",
                ":path": paths.attachTurn,
                "content-type": "application/json",
                accept: "application/x-ndjson",
                authorization: `Bearer ${tokens.acme}`,
              });
              stream.on("error", () => {});
              stream.end(JSON.stringify({ turnId }));
              return await new Promise<number>((resolve) => {
                stream.on("response", (headers) => resolve(Number(headers[":status"])));
                stream.on("close", () => resolve(0));
              });
            }),
          );
          expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(64);
          expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(30);
          expect((await turn()) as object).toMatchObject({ state: "TURN_STATE_RUNNING" });
        } finally {
          session.destroy();
        }
        expect((await asking(lab, "acme", paths.interruptTurn, { turnId })).status).toBe(200);
        await running;
      },
    },
  ],
};
