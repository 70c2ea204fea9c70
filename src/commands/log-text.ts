/**
 * Log lines for a person at a terminal, made from the JSON lines that everybody else gets.
 */
import { type Style, singleLine, withoutControls } from "./terminal.ts";

/** A line of the log as `09:12:01 warn  message  field=value`. What is no JSON stays as it is. */
export function logText(line: string, style: Style): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    // Not ours to judge; better an odd line than none.
    return `${singleLine(line.trimEnd())}\n`;
  }
  const { time, level, message, trace_id: traceId, span_id: _spanId, err, ...rest } = fields;
  const clock = style.dim(String(time).slice(11, 19));
  const pairs = Object.entries({ ...rest, ...(traceId !== undefined && { trace: traceId }) })
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
  const cause = err === undefined ? "" : `\n${indented(withoutControls(errorText(err)))}`;
  // One line each, whatever is in it: a caller's words must not look like lines of the server.
  const shown = singleLine(String(message));
  const tail = pairs === "" ? "" : `  ${style.dim(singleLine(pairs))}`;
  return `${clock} ${levelText(String(level), style)} ${shown}${tail}${cause}\n`;
}

function levelText(level: string, style: Style): string {
  const padded = level.padEnd(5);
  if (level === "error") return style.red(padded);
  return level === "warn" ? style.yellow(padded) : style.dim(padded);
}

function errorText(err: unknown): string {
  const { stack, message } = err as { stack?: string; message?: string };
  return stack ?? message ?? JSON.stringify(err);
}

function indented(text: string): string {
  return text.replace(/^/gm, "    ");
}
