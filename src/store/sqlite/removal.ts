/**
 * How things leave the store: a row goes after everything that hangs on it.
 */
import type { Sql } from "./sql.ts";

export function dropEvents(sql: Sql, turnKey: number): void {
  sql.run("delete from events where turn_key = ?1", turnKey);
  sql.run("update turns set first_stored = null, last_stored = null, events_expire_at = null where key = ?1", turnKey);
}

/** Takes a turn's words, and keeps the turn. */
export function dropContent(sql: Sql, turnKey: number): void {
  sql.run("delete from parts where turn_key = ?1", turnKey);
  sql.run("update turns set has_content = 0 where key = ?1", turnKey);
}

/** Frees the name of a turn's request. The result stays only with a turn that belongs to a session. */
export function unbindRequest(sql: Sql, turnKey: number): void {
  sql.run("delete from requests where turn_key = ?1", turnKey);
  sql.run(
    `delete from results where turn_key = ?1
     and exists (select 1 from turns where key = ?1 and session_key is null)`,
    turnKey,
  );
}

export function deleteTurn(sql: Sql, turnKey: number): void {
  for (const table of ["events", "parts", "results", "requests"]) {
    sql.run(`delete from ${table} where turn_key = ?1`, turnKey);
  }
  sql.run("delete from turns where key = ?1", turnKey);
}

/**
 * Deletes a session with its turns, and returns their ids. A turn that still waits for it stays, without its words: it
 * has its end to come, and finds no session when it wants to take it.
 */
export function deleteSession(sql: Sql, sessionKey: number): string[] {
  const turns = sql.all<{ key: number; id: string; state: string }>(
    "select key, id, state from turns where session_key = ?1 order by accepted_at, id",
    sessionKey,
  );
  const deleted: string[] = [];
  for (const { key, id, state } of turns) {
    if (state === "ended") {
      deleteTurn(sql, key);
      deleted.push(id);
    } else {
      dropContent(sql, key);
      sql.run("update turns set session_key = null where key = ?1", key);
    }
  }
  sql.run("delete from transcript_pieces where session_key = ?1", sessionKey);
  sql.run("delete from session_files where session_key = ?1", sessionKey);
  sql.run("delete from sessions where key = ?1", sessionKey);
  return deleted;
}
