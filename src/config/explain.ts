/**
 * What the schema finds wrong, in words for the person who wrote the setting.
 *
 * A value is repeated only where it cannot be a secret: people do paste a key where its variable's name belongs.
 */
import type { z } from "zod";
import { redactSecrets } from "../redact.ts";
import { childOf, nodeAt, ruleOf, schemaRoot, settingsCatalog } from "./catalog.ts";
import type { BrokenRule } from "./checks.ts";
import { didYouMean, nearest } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

/** One issue of the schema as rules that are broken. `input` is what was checked. */
export function explainIssue(issue: Issue, input: unknown): readonly BrokenRule[] {
  const path = issue.path;
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        path: [...path, key],
        problem: `is not a setting${unknownKeyHint(path, key)}`,
      }));
    case "invalid_key":
      return [{ path, problem: `must be ${ruleOf(nodeAt(["profiles", "x", "credential"]) ?? {})}` }];
    case "custom":
      return [{ path, problem: `${shown(path, input)}must be ${issue.message}` }];
    case "invalid_format":
      // A pattern's message is ours and says more than the rule.
      if (issue.format === "regex" && !issue.message.startsWith("Invalid")) {
        return [{ path, problem: `${shown(path, input)}must be ${issue.message}` }];
      }
      break;
    case "too_big":
    case "too_small":
      if (issue.origin === "string") return [{ path, problem: lengthProblem(issue) }];
      break;
    default:
      break;
  }
  const value = valueAt(input, path);
  if (value === undefined) return [{ path, problem: "is missing" }];
  if (value === null) return [{ path, problem: "is empty; leave it out to get the default" }];
  const key = String(path.at(-1) ?? "");
  return [{ path, problem: `${shown(path, input)}must be ${ruleOf(nodeAt(path) ?? {}, key)}` }];
}

function lengthProblem(issue: Extract<Issue, { code: "too_big" | "too_small" }>): string {
  if (issue.code === "too_small") return "must not be empty";
  return `is longer than ${issue.maximum.toLocaleString("en-US")} characters`;
}

/** `is 70000; `, where the value may be shown. */
function shown(path: readonly PropertyKey[], input: unknown): string {
  const value = valueAt(input, path);
  const isPrivate = path[0] === "credentials" || (path[0] === "auth" && path[1] === "tokens");
  if (isPrivate || value === undefined || value === null || typeof value === "object") return "";
  const text = redactSecrets(JSON.stringify(value));
  return `is ${text.length > 60 ? `${text.slice(0, 57)}…"` : text}; `;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const segment of path) value = (value as Record<PropertyKey, unknown> | undefined | null)?.[segment];
  return value;
}

function unknownKeyHint(path: readonly PropertyKey[], key: string): string {
  const holdsSecret = path[0] === "credentials" && /key|token|secret|password/i.test(key);
  const siblings = Object.keys(nodeAt(path)?.properties ?? {});
  const near = nearest(key, siblings);
  if (holdsSecret && near[0]?.toLowerCase() !== key.toLowerCase()) {
    return "; a secret must not be written here: name the variable in `apiKeyEnv`, or the file in `apiKeyFile`, that holds it";
  }
  if (near.length > 0) return didYouMean(near);
  // The right word in the wrong place.
  const elsewhere = settingsCatalog.filter((setting) => setting.path.at(-1) === key).map((one) => one.path.join("."));
  if (elsewhere.length > 0 && elsewhere.length <= 3) return didYouMean(elsewhere);
  const here = siblings.length > 0 && siblings.length <= 12 && childOf(schemaRoot, String(path[0] ?? "")) !== undefined;
  return here ? `; there is ${siblings.map((name) => `\`${name}\``).join(", ")}` : "";
}
