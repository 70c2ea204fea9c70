/** Every negative test, in the order in which the table shows them. */
import type { AttackGroup } from "./attack.ts";
import { admin } from "./groups/admin.ts";
import { authentication } from "./groups/authentication.ts";
import { contentTypes } from "./groups/content-types.ts";
import { cost } from "./groups/cost.ts";
import { framing } from "./groups/framing.ts";
import { hosts } from "./groups/hosts.ts";
import { http1Bytes } from "./groups/http1.ts";
import { http2Floods } from "./groups/http2.ts";
import { json } from "./groups/json.ts";
import { labels } from "./groups/labels.ts";
import { launch } from "./groups/launch.ts";
import { origins } from "./groups/origins.ts";
import { page } from "./groups/page.ts";
import { prompts } from "./groups/prompts.ts";
import { sessions } from "./groups/sessions.ts";
import { tenancy } from "./groups/tenancy.ts";
import { traceHeaders } from "./groups/trace-headers.ts";

export const attackGroups: readonly AttackGroup[] = [
  authentication,
  hosts,
  origins,
  admin,
  page,
  http1Bytes,
  http2Floods,
  contentTypes,
  framing,
  json,
  cost,
  prompts,
  launch,
  labels,
  traceHeaders,
  tenancy,
  sessions,
];
