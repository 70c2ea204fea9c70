import { describe, expect, it } from "vitest";
import { settingsSchema } from "../../src/config/settings.ts";
import { profileDigest, profileDigests } from "../../src/conversations/profile-digest.ts";

const profile = (more: object = {}) => settingsSchema.parse({ profiles: { default: more } }).profiles.default!;
const tools = { tools: ["Read", "Bash"], workspace: { path: "/w" }, isolation: "none", tenant: "acme" };

describe("the digest of a profile", () => {
  it.each([
    ["model", { model: "claude-haiku-4-5" }],
    ["effort", { effort: "high" }],
    ["systemPrompt", { systemPrompt: "Be brief." }],
    ["systemPromptPolicy", { systemPromptPolicy: "append" }],
    ["tools", tools],
    ["permissionMode", { permissionMode: "plan" }],
  ])("changes with what Claude is and may do: %s", (_, more) => {
    expect(profileDigest(profile(more))).not.toBe(profileDigest(profile()));
  });

  it.each([
    ["allowedTools", { allowedTools: ["Read"] }],
    ["workspace", { workspace: { path: "/elsewhere" } }],
    ["the workspace's access", { workspace: { path: "/w", access: "read-only" }, tools: ["Read"] }],
  ])("changes with where tools work and which may run: %s", (_, more) => {
    expect(profileDigest(profile({ ...tools, ...more }))).not.toBe(profileDigest(profile(tools)));
  });

  it.each([
    ["spares", { minSpares: 1 }],
    ["workers", { maxWorkers: 3 }],
    ["a credential", { credential: "other" }],
    ["a description", { description: "For chats." }],
    ["limits", { maxLimits: { maxDurationMs: 1_000 } }],
  ])("stays with what makes no other conversation: %s", (_, more) => {
    expect(profileDigest(profile(more))).toBe(profileDigest(profile()));
  });

  it("stays when tools are named in another order", () => {
    expect(profileDigest(profile({ ...tools, tools: ["Bash", "Read"] }))).toBe(profileDigest(profile(tools)));
  });

  it("is empty for a profile that there is not", () => {
    const digestOf = profileDigests({ default: profile() });
    expect(digestOf("default")).toBe(profileDigest(profile()));
    expect(digestOf("constructor")).toBe("");
  });
});
