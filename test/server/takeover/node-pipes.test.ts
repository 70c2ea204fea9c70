import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missingPipeMembers, pipeMembers } from "../../../src/server/takeover/node-pipes.ts";

let folder: string;
let socket: Socket;
const server = createServer();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "node-pipes-"));
  await new Promise<void>((resolve) => server.listen(join(folder, "a.sock"), resolve));
  socket = connect(join(folder, "a.sock"));
  await new Promise<void>((resolve) => socket.once("connect", resolve));
});
afterAll(async () => {
  socket.destroy();
  server.close();
  await rm(folder, { recursive: true });
});

describe("a Unix socket of this version of Node", () => {
  it.each(Object.keys(pipeMembers))("has %s as it was", (name) => {
    expect(missingPipeMembers(socket)).not.toContain(name);
  });

  it("is told from one that has no handle, and from one whose members changed", () => {
    const owner = (handle: object | null) => ({ _handle: handle }) as unknown as Socket;
    expect(missingPipeMembers(owner(null))).toEqual(["_handle"]);
    expect(missingPipeMembers(owner({ fd: 3, open: "shut" }))).toEqual(["open", "writeUtf8String", "constructor"]);
  });
});
