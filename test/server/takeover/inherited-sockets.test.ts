import { describe, expect, it } from "vitest";
import { inheritedDescriptors } from "../../../src/server/takeover/inherited-sockets.ts";

const found = (env: NodeJS.ProcessEnv) => [...inheritedDescriptors({ env: { LISTEN_PID: "17", ...env }, pid: 17 })];

describe("sockets from systemd", () => {
  it("are known by the names of their units, in the order of the descriptors", () => {
    expect(found({ LISTEN_FDS: "3", LISTEN_FDNAMES: "web:grpc:admin" })).toEqual([
      ["web", 3],
      ["grpc", 4],
      ["admin", 5],
    ]);
  });

  it("are none without the variables, or if these were meant for another process", () => {
    expect(found({})).toEqual([]);
    expect(found({ LISTEN_FDS: "1", LISTEN_FDNAMES: "grpc", LISTEN_PID: "16" })).toEqual([]);
    expect(found({ LISTEN_FDS: "1", LISTEN_FDNAMES: "grpc", LISTEN_PID: undefined })).toEqual([]);
  });

  it("need a port's name each, and one socket for a port", () => {
    expect(() => found({ LISTEN_FDS: "2", LISTEN_FDNAMES: "grpc:claude-runner.socket" })).toThrow(
      /socket 2 of 2 is called "claude-runner.socket"; set FileDescriptorName= .*grpc or web or admin/,
    );
    expect(() => found({ LISTEN_FDS: "1" })).toThrow(/called ""/);
    expect(() => found({ LISTEN_FDS: "2", LISTEN_FDNAMES: "grpc:grpc" })).toThrow(/two sockets are called grpc/);
  });
});
