/**
 * What the store holds, in sums that are kept anyway: nothing here looks at each session.
 */
import type { StoreCensus } from "../store.ts";
import type { Handler } from "./handler.ts";

export const census: Handler<undefined, StoreCensus> = ({ sql }) => {
  const sums = sql.get<{ sessions: number; bytes: number }>(
    "select coalesce(sum(session_count), 0) as sessions, coalesce(sum(bytes), 0) as bytes from tenants",
  );
  const running = sql.get<{ count: number }>(
    "select count(*) as count from turns where holds_session = 1 and state <> 'ended' and session_key is not null",
  );
  const suspended = sql.get<{ count: number }>(
    "select count(*) as count from sessions where suspension is not null and running_turn is null",
  );
  return {
    sessionCount: sums?.sessions ?? 0,
    runningSessionCount: running?.count ?? 0,
    suspendedSessionCount: suspended?.count ?? 0,
    contentBytes: sums?.bytes ?? 0,
  };
};
