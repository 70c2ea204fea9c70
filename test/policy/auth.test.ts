import { describe, expect, it } from "vitest";
import { Authenticator, defaultToken, sha256Of } from "../../src/policy/auth.ts";
import { isRunnerError } from "../../src/runner-error.ts";

const acme = { tenant: "acme", sha256: sha256Of("token-a"), profiles: ["default", "fast"], operator: false };
const other = { tenant: "other", sha256: sha256Of("token-b"), profiles: ["*"], operator: true };

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isRunnerError(error, "UNAUTHENTICATED")) return error.message;
    throw error;
  }
  return "";
}

describe("authentication", () => {
  const authenticator = new Authenticator({ tokens: [acme, other], insecureNoAuth: false });

  it("knows tenant and profiles by the token, and whether it is an operator's", () => {
    expect(authenticator.authenticate("Bearer token-a")).toEqual({
      tenant: "acme",
      profiles: ["default", "fast"],
      isOperator: false,
    });
    expect(authenticator.authenticate("bearer  token-b")).toEqual({
      tenant: "other",
      profiles: ["*"],
      isOperator: true,
    });
  });

  it.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "token-a",
    "Basic dG9rZW4tYQ==",
    "Bearer token-c",
    "Bearer token-a token-b",
    "Bearer token-a, Bearer token-b",
    `Bearer ${acme.sha256}`,
  ])("refuses %s", (authorization) => {
    expect(refusal(() => authenticator.authenticate(authorization))).not.toBe("");
  });

  it("never repeats what was sent", () => {
    expect(refusal(() => authenticator.authenticate("Bearer canary-4711"))).not.toContain("canary");
    expect(refusal(() => authenticator.authenticate("Digest canary-4711"))).not.toContain("canary");
  });

  it("opens nothing when no token is configured", () => {
    const closed = new Authenticator({ tokens: [], insecureNoAuth: false });
    expect(refusal(() => closed.authenticate("Bearer anything"))).not.toBe("");
  });

  it("goes by the newest settings", () => {
    const changing = new Authenticator({ tokens: [acme], insecureNoAuth: false });
    changing.reload({ tokens: [other, defaultToken("crt_x")], insecureNoAuth: false });
    expect(refusal(() => changing.authenticate("Bearer token-a"))).not.toBe("");
    expect(changing.authenticate("Bearer token-b").tenant).toBe("other");
    // The token of the first start belongs to whoever started the server.
    expect(changing.authenticate("Bearer crt_x")).toEqual({ tenant: "default", profiles: ["*"], isOperator: true });
  });

  it("takes everybody for anonymous when it is switched off, whatever token is sent", () => {
    const open = new Authenticator({ tokens: [acme], insecureNoAuth: true });
    expect(open.authenticate(undefined)).toEqual({ tenant: "anonymous", profiles: ["*"], isOperator: true });
    expect(open.authenticate("Bearer token-a").tenant).toBe("anonymous");
  });
});
