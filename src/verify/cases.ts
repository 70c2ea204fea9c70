/**
 * Every case, in the order of the table. A new one is an entry in a file of `cases/`.
 */
import type { CaseGroup } from "./case.ts";
import { answers } from "./cases/answer-cases.ts";
import { conversations } from "./cases/conversation-cases.ts";
import { failures } from "./cases/failure-cases.ts";
import { interrupts } from "./cases/interrupt-cases.ts";
import { keptConversations } from "./cases/kept-cases.ts";
import { schemas } from "./cases/schema-cases.ts";
import { tools } from "./cases/tool-cases.ts";

export const caseGroups: readonly CaseGroup[] = [
  answers,
  interrupts,
  failures,
  conversations,
  keptConversations,
  schemas,
  tools,
];
