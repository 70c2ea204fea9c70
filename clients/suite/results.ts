/**
 * What the suite found, from the tests to the table: written by the reporter, read by `npm run clients`.
 */

/** The variable that names the file for it. */
export const resultsVariable = "CLIENTS_RESULTS";

/** One behaviour of one client. */
export interface CellResult {
  readonly language: string;
  /** The runtime with its version, as the driver names it. */
  readonly runtime: string;
  /** The behaviour. */
  readonly title: string;
  readonly state: "passed" | "failed" | "skipped";
}
