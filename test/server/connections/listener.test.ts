import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { listen } from "../../../src/server/connections/listener.ts";

describe("a listener", () => {
  it("says in words what is wrong with an address", async () => {
    const listening = (host: string, port = 0) => listen(createServer(), { host, port, settingsName: "grpc" });
    await expect(listening("192.0.2.77")).rejects.toThrow("grpc.host: this machine has no address 192.0.2.77");
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(listening("127.0.0.1", port)).rejects.toThrow(`127.0.0.1:${port} is in use by another program`);
    taken.close();
  });
});
