/** The systemd units of deploy/ against each other and against the names by which the server knows its ports. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { inheritedDescriptors } from "../../src/server/takeover/inherited-sockets.ts";

const folder = new URL("../../deploy/systemd/", import.meta.url);
const textOf = (name: string) => readFileSync(new URL(name, folder), "utf8");
const valuesOf = (text: string, key: string) =>
  [...text.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].flatMap(([, value]) => value!.split(" "));

const sockets = readdirSync(folder).filter((name) => name.endsWith(".socket"));
const server = textOf("claude-runner@.service");

describe("the systemd units", () => {
  it("hand over a socket for each port, by names that the server knows", () => {
    const names = sockets.flatMap((name) => valuesOf(textOf(name), "FileDescriptorName"));
    const env = { LISTEN_PID: "1", LISTEN_FDS: String(sockets.length), LISTEN_FDNAMES: names.join(":") };
    expect([...inheritedDescriptors({ env, pid: 1 }).keys()].sort()).toEqual(["admin", "grpc", "web"]);
  });

  it("give all of them to the server, in either place, and let no connection start one", () => {
    expect(valuesOf(server, "Sockets").sort()).toEqual(sockets.toSorted());
    expect(valuesOf(server, "Requires").sort()).toEqual(sockets.toSorted());
    const units = readdirSync(folder);
    for (const socket of sockets) {
      const [started = ""] = valuesOf(textOf(socket), "Service");
      expect(units).toContain(started);
      expect(started).not.toContain("@");
    }
  });

  it("start a server that takes over", () => {
    expect(valuesOf(server, "ExecStart")).toEqual(expect.arrayContaining(["serve", "--takeover"]));
  });
});
