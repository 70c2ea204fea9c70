/**
 * The list: every behaviour, in the order of the table.
 */
import type { Behaviour } from "./behaviour.ts";
import { answers } from "./behaviours/answers.ts";
import { ends } from "./behaviours/ends.ts";
import { refusals } from "./behaviours/refusals.ts";
import { rejoin } from "./behaviours/rejoin.ts";
import { retry } from "./behaviours/retry.ts";
import { services } from "./behaviours/services.ts";
import { sessions } from "./behaviours/sessions.ts";

export const behaviours: readonly Behaviour[] = [
  ...answers,
  ...ends,
  ...refusals,
  ...retry,
  ...sessions,
  ...rejoin,
  ...services,
];
