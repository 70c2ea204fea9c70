/**
 * What becomes of turns of sessions, and of those with a request id, before they are turns: counted.
 */
import { isRunnerError } from "../runner-error.ts";
import { attributeNames, instruments } from "../telemetry/instruments.ts";
import { label } from "../telemetry/label.ts";

export const rejoinKinds = ["attach", "requestId"] as const;

/** A call reads a turn which another call began. */
export function rejoined(kind: (typeof rejoinKinds)[number]): void {
  instruments().rejoins.add(1, { [attributeNames.rejoinKind]: label(kind) });
}

/** A turn was not accepted. */
export function refusedAtIntake(profile: string, error: unknown): void {
  const reason = label(isRunnerError(error) ? error.reason : "INTERNAL");
  instruments().intakeRefusals.add(1, { [attributeNames.profile]: profile, [attributeNames.errorReason]: reason });
}
