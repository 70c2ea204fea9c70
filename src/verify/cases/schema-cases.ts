/**
 * Cases in which the answer has to follow a schema: it does, it does not, and there is none.
 */
import type { Outcome } from "../../turn-end.ts";
import type { CaseGroup, ResetCase } from "../case.ts";

const structured = (name: string, scenario: string, outcome: Outcome = "completed"): ResetCase => ({
  name,
  lane: "schema",
  reset: "clean",
  async play(lease) {
    const { end } = await lease.turn({ scenario, outcome });
    const isThere = end.structuredOutput !== undefined;
    lease.expect(isThere === (outcome === "completed"), isThere ? "there was an answer" : "there was no answer");
  },
});

export const schemas: CaseGroup = {
  name: "Answers that follow a schema",
  cases: [
    structured("an answer that follows it", "structured"),
    structured("an answer that follows it at the second try", "structured-second"),
    structured("answers that never follow it", "structured-invalid", "structuredOutputFailed"),
    structured("text in place of such an answer", "structured-missing", "structuredOutputFailed"),
  ],
};
