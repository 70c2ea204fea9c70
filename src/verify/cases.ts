/**
 * Every case, in the order of the table. A new one is an entry in a file of `cases/`.
 */
import type { CaseGroup } from "./case.ts";
import { answers } from "./cases/answers.ts";
import { conversations } from "./cases/conversations.ts";
import { failures } from "./cases/failures.ts";
import { interrupts } from "./cases/interrupts.ts";
import { schemas } from "./cases/schemas.ts";
import { tools } from "./cases/tools.ts";

export const caseGroups: readonly CaseGroup[] = [answers, interrupts, failures, conversations, schemas, tools];
