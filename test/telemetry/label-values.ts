/**
 * The closed lists whose members are labels of metrics or attributes of spans, by the attribute's name: for the
 * documentation, and for the test that looks how they are spelled.
 */
import { cliSpanFailures } from "../../src/cli-spans/cli-spans.ts";
import { dropReasons } from "../../src/cli-spans/drop-reason.ts";
import { conversationSources } from "../../src/conversations/conversation-source.ts";
import { claimSources } from "../../src/pool/claim.ts";
import { shedReasons } from "../../src/pool/shed-reason.ts";
import { stopReasons } from "../../src/pool/stop-reason.ts";
import { resetResults } from "../../src/pool/worker.ts";
import { livingKinds } from "../../src/pool/worker-state.ts";
import { runnerReasons } from "../../src/service/errors.ts";
import { rejoinKinds } from "../../src/service/intake-metrics.ts";
import { measuredWrites } from "../../src/sessions/measured-store.ts";
import { attributeNames, spanNames, tokenTypes } from "../../src/telemetry/instruments.ts";
import { label } from "../../src/telemetry/label.ts";
import type { LabelValues } from "../../src/telemetry/telemetry-document.ts";
import { outcomes } from "../../src/turn-end.ts";

const stages = Object.keys(spanNames).filter((name) => name !== "tool");
const spelled = (words: readonly string[]) => words.map((word) => label(word));

export const labelValues: LabelValues = {
  [attributeNames.stage]: spelled(stages),
  [attributeNames.outcome]: spelled([...outcomes, "notStarted"]),
  [attributeNames.errorReason]: spelled(runnerReasons),
  [attributeNames.claimSource]: spelled(claimSources),
  [attributeNames.conversationSource]: spelled(conversationSources),
  [attributeNames.workerState]: spelled(livingKinds),
  [attributeNames.genAiTokenType]: tokenTypes,
  [attributeNames.cliSpanDropReason]: dropReasons,
  [attributeNames.cliSpanFailure]: cliSpanFailures,
  [attributeNames.recycleReason]: stopReasons,
  [attributeNames.resetOutcome]: resetResults,
  [attributeNames.shedReason]: shedReasons,
  [attributeNames.sessionState]: ["idle", "running"],
  [attributeNames.rejoinKind]: spelled(rejoinKinds),
  [attributeNames.storeKind]: ["memory", "sqlite"],
  [attributeNames.storeOperation]: spelled(measuredWrites),
};
