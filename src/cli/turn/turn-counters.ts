/**
 * What is counted of the lines of all turns, whatever their readers see.
 */
import { errorTypeOf } from "../../telemetry/error-type.ts";
import { attributeNames, instruments } from "../../telemetry/instruments.ts";
import { type JsonObject, numberAt, textAt } from "../protocol/json-members.ts";

/** The CLI asks the model API again. */
export function countRetry(profile: string, body: JsonObject): void {
  instruments().upstreamRetries.add(1, {
    [attributeNames.profile]: profile,
    [attributeNames.errorType]: errorTypeOf(numberAt(body, "error_status"), textAt(body, "error")),
  });
}
