/** Lists of the little that runs now do not walk through all that has ended: everybody waits for the one thread of a store. */
import { DatabaseSync } from "node:sqlite";
import { beforeEach, expect, it } from "vitest";
import type { Context } from "../../src/store/sqlite/handler.ts";
import { migrate } from "../../src/store/sqlite/migrate.ts";
import { migrations } from "../../src/store/sqlite/migrations.ts";
import { sessions } from "../../src/store/sqlite/session-reads.ts";
import { Sql } from "../../src/store/sqlite/sql.ts";
import { turns } from "../../src/store/sqlite/turn-reads.ts";
import type { SessionQuery, TurnQuery } from "../../src/store/store.ts";
import { defaultStoreLimits } from "../../src/store/store-limits.ts";

let sql: Sql;
let plans: string[];
let context: Context;
beforeEach(() => {
  sql = new Sql(new DatabaseSync(":memory:"));
  migrate(sql, { migrations, folder: undefined, readers: () => [] });
  plans = [];
  const all = sql.all.bind(sql) as typeof sql.all;
  sql.all = ((text: string, ...values: never[]) => {
    plans.push(...all<{ detail: string }>(`explain query plan ${text}`, ...values).map(({ detail }) => detail));
    return all(text, ...values);
  }) as typeof sql.all;
  context = { sql, limits: defaultStoreLimits, ownerId: "me", nowMs: 1, pieces: [], sendBack: () => undefined };
});

const turnQuery = (more: Partial<TurnQuery>): TurnQuery => ({ tenant: "acme", limit: 50, ...more }) as TurnQuery;

it.each([
  ["a tenant's running turns", () => turns(context, turnQuery({ state: "running" })), "turns_open_listed"],
  ["a tenant's waiting turns", () => turns(context, turnQuery({ state: "waiting" })), "turns_open_listed"],
  [
    "running turns of all",
    () => turns(context, turnQuery({ tenant: undefined, state: "running" })),
    "turns_open_of_all",
  ],
  ["running sessions", () => sessions(context, sessionQuery("running")), "sessions_running_listed"],
  ["suspended sessions", () => sessions(context, sessionQuery("suspended")), "sessions_suspended_listed"],
])("%s have an index that holds no others, in the order of the list", (_, list, index) => {
  list();
  expect(plans.join("\n")).toContain(`USING INDEX ${index}`);
  expect(plans.join("\n")).not.toContain("TEMP B-TREE");
});

function sessionQuery(state: SessionQuery["state"]): SessionQuery {
  return { tenant: "acme", limit: 50, state } as SessionQuery;
}
