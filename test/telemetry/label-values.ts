/**
 * The closed lists whose members are labels of metrics or attributes of spans, by the attribute's name: for the
 * documentation, and for the test that looks how they are spelled.
 */
import { shedReasons } from "../../src/pool/shed-reason.ts";
import { stopReasons } from "../../src/pool/stop-reason.ts";
import { resetResults } from "../../src/pool/worker.ts";
import { attributeNames } from "../../src/telemetry/instruments.ts";
import type { LabelValues } from "../../src/telemetry/telemetry-document.ts";

export const labelValues: LabelValues = {
  [attributeNames.recycleReason]: stopReasons,
  [attributeNames.resetOutcome]: resetResults,
  [attributeNames.shedReason]: shedReasons,
};
