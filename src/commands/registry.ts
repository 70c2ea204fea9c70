/**
 * Every command. A new one is a file and a line here.
 */
import { chat } from "./chat.ts";
import type { CommandEntry } from "./command.ts";
import { demo } from "./demo-entry.ts";
import { doctor } from "./doctor.ts";
import { health } from "./health.ts";
import { pool } from "./pool.ts";
import { serve } from "./serve.ts";
import { sessions } from "./sessions.ts";
import { settings } from "./show-settings.ts";
import { standin } from "./standin.ts";
import { store } from "./store-command.ts";
import { token } from "./token.ts";
import { turns } from "./turns.ts";
import { verify } from "./verify-cli.ts";

export const commands: readonly CommandEntry[] = [
  demo,
  serve,
  chat,
  sessions,
  turns,
  pool,
  health,
  doctor,
  verify,
  settings,
  store,
  token,
  standin,
];
