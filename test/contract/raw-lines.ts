/**
 * The CLI's lines of a turn at full detail, put together from their pieces. Throws where the pieces do not fit.
 */
import type { StreamChatResponse } from "../../gen/claude/runner/v1/runner_pb.ts";

export function rawLines(responses: readonly StreamChatResponse[]): string[] {
  const lines: string[] = [];
  let open: { text: string; bytes: bigint } | undefined;
  for (const { rawJson, event, sequence } of responses) {
    if (rawJson === undefined) continue;
    const { json, offsetBytes, totalBytes } = rawJson;
    if (offsetBytes === 0n) {
      if (open !== undefined) throw new Error(`a line begins at event ${sequence} before the one before is complete`);
      open = { text: "", bytes: 0n };
    }
    if (open === undefined || offsetBytes !== open.bytes) throw new Error(`event ${sequence} continues no line`);
    if (offsetBytes > 0n && !(event.case === "unknown" || event.case === "result"))
      throw new Error(`event ${sequence}, a ${event.case}, continues a line`);
    open = { text: open.text + json, bytes: open.bytes + BigInt(Buffer.byteLength(json)) };
    if (open.bytes > totalBytes) throw new Error(`event ${sequence} makes its line too long`);
    if (open.bytes === totalBytes) {
      lines.push(open.text);
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error("the last line is not complete");
  return lines;
}
