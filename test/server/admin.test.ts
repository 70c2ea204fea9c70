import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningAdmin, startAdmin } from "../../src/server/admin.ts";

let admin: RunningAdmin;
let isReady = true;
let problem: string | undefined;
beforeEach(async () => {
  isReady = true;
  problem = undefined;
  admin = await startAdmin({
    settings: { enabled: true, host: "127.0.0.1", port: 0, allowedAddresses: [] },
    isReady: () => isReady,
    problem: () => problem,
    metrics: (_, response) => void response.end("runner_turns_total 7\n"),
  });
});
afterEach(() => admin.stop());

function get(path: string, options: { method?: string; localAddress?: string; headers?: Record<string, string> } = {}) {
  return new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    request({ ...admin.address, path, agent: false, ...options }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode, text }));
    })
      .on("error", reject)
      .end();
  });
}

describe("the admin port", () => {
  it("serves metrics, and says that the process lives", async () => {
    expect(await get("/metrics")).toEqual({ status: 200, text: "runner_turns_total 7\n" });
    expect(await get("/healthz")).toEqual({ status: 200, text: "ok\n" });
    expect((await get("/other")).status).toBe(404);
  });

  it("says whether turns can be served", async () => {
    expect((await get("/readyz")).status).toBe(200);
    isReady = false;
    expect((await get("/readyz")).status).toBe(503);
    expect((await get("/healthz")).status).toBe(200);
  });

  it("says what is wrong although turns can be served, behind the word that programs look at", async () => {
    expect(await get("/readyz")).toEqual({ status: 200, text: "ready\n" });
    problem = "the disk of the store is full";
    expect(await get("/readyz")).toEqual({ status: 200, text: "ready\nwarning: the disk of the store is full\n" });
    expect(await get("/healthz")).toEqual({ status: 200, text: "ok\n" });
  });

  it("is not for web pages, nor for names that were pointed at it", async () => {
    expect((await get("/metrics", { headers: { origin: "https://evil.example.com" } })).status).toBe(403);
    expect((await get("/metrics", { headers: { host: "evil.example.com" } })).status).toBe(403);
    expect((await get("/metrics", { method: "POST" })).status).toBe(405);
  });

  it("answers other addresses only where the settings name them, by whatever name they call it", async () => {
    // 127.0.0.2 stands for another machine: it is not the address that this one calls itself from.
    const other = { localAddress: "127.0.0.2", headers: { host: "runner.monitoring.svc:7435" } };
    await expect(get("/metrics", other)).rejects.toThrow(/socket hang up|ECONNRESET/);
    await admin.stop();
    admin = await startAdmin({
      settings: { enabled: true, host: "127.0.0.1", port: 0, allowedAddresses: ["127.0.0.2/31"] },
      isReady: () => true,
      metrics: (_, response) => void response.end("runner_turns_total 7\n"),
    });
    expect((await get("/metrics", other)).status).toBe(200);
    expect((await get("/metrics", { ...other, headers: { origin: "https://evil.example.com" } })).status).toBe(403);
    expect((await get("/metrics", { ...other, method: "DELETE" })).status).toBe(405);
    await expect(get("/metrics", { localAddress: "127.0.0.4" })).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await get("/metrics", { headers: { host: "evil.example.com" } })).status, "from here").toBe(403);
  });

  it("may be stopped twice", async () => {
    await Promise.all([admin.stop(), admin.stop()]);
    await expect(get("/healthz")).rejects.toThrow("ECONNREFUSED");
  });

  it("without metrics has none", async () => {
    const bare = await startAdmin({
      settings: { enabled: true, host: "127.0.0.1", port: 0, allowedAddresses: [] },
      isReady: () => true,
    });
    const answer = await fetch(`http://127.0.0.1:${bare.address.port}/metrics`);
    expect(answer.status).toBe(404);
    await bare.stop();
  });
});
