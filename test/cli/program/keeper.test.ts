import { expect, test } from "vitest";
import type { CliCapabilities } from "../../../src/cli/program/capabilities.ts";
import { CliKeeper } from "../../../src/cli/program/keeper.ts";
import type { FoundCli, LocatedCli } from "../../../src/cli/program/locate.ts";

const found = (fingerprint: string, version = "2.1.332"): FoundCli => ({
  kind: "found",
  path: "claude",
  version,
  source: "package",
  fingerprint,
});
const missing: LocatedCli = { kind: "unavailable", why: "there is none", whatToDo: "install it" };
const good: CliCapabilities = { cliVersion: "2.1.332", rewind: true, seeding: true, literalPrompts: true, detail: "" };

/** A keeper whose program a test changes, and what it did and said. */
function scene(probe: (cli: FoundCli) => Promise<CliCapabilities> = async () => good) {
  const seen = { looks: 0, probes: [] as string[], log: [] as string[] };
  let located: LocatedCli = found("a");
  const note = (_fields: object, message: string) => void seen.log.push(message);
  const keeper = new CliKeeper({
    locator: {
      locate: async () => {
        seen.looks += 1;
        return located;
      },
    },
    probe: (cli) => {
      seen.probes.push(cli.fingerprint);
      return probe(cli);
    },
    log: { info: note, warn: note },
  });
  return { keeper, seen, becomes: (next: LocatedCli) => (located = next) };
}

test("workers that start together look for the program once", async () => {
  const { keeper, seen } = scene();
  await Promise.all([keeper.locate(), keeper.locate(), keeper.locate()]);
  expect(seen.looks).toBe(1);
  await keeper.locate();
  expect(seen.looks).toBe(2);
});

test("a program is probed once, and again when it is another one", async () => {
  const { keeper, seen, becomes } = scene();
  await keeper.locate();
  await keeper.locate();
  await keeper.capabilitiesOf(found("a"));
  expect(seen.probes).toEqual(["a"]);
  becomes(found("b"));
  await keeper.locate();
  expect(seen.probes).toEqual(["a", "b"]);
});

test("whoever asks what a program can do waits for the probe", async () => {
  const probed = Promise.withResolvers<CliCapabilities>();
  const { keeper } = scene(() => probed.promise);
  await keeper.locate();
  const asked = keeper.capabilitiesOf(found("a"));
  expect(keeper.info()).toEqual({ version: "2.1.332", seeds: undefined });
  probed.resolve(good);
  expect(await asked).toEqual(good);
  expect(keeper.info()).toEqual({ version: "2.1.332", seeds: true });
});

test("a probe that fails means that the program can do nothing of the kind", async () => {
  const { keeper, seen } = scene(() => Promise.reject(new Error("no start")));
  expect(await keeper.capabilitiesOf(found("a"))).toMatchObject({ rewind: false, seeding: false, detail: "no start" });
  expect(seen.log.at(-1)).toMatch(/a fresh process/);
});

test("a program that is missing, comes and goes is told once each time", async () => {
  const { keeper, seen, becomes } = scene();
  becomes(missing);
  await keeper.locate();
  await keeper.locate();
  expect(keeper.info().version).toBeUndefined();
  becomes(found("a"));
  await keeper.locate();
  await keeper.locate();
  becomes(missing);
  await keeper.locate();
  expect(seen.log.filter((line) => !line.includes("reused"))).toEqual([
    "Claude Code cannot be used",
    "Claude Code found",
    "Claude Code cannot be used",
  ]);
});

test("stopping waits for a probe that is under way", async () => {
  let ended = false;
  const { keeper } = scene(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    ended = true;
    return good;
  });
  await keeper.locate();
  await keeper.stop();
  expect(ended).toBe(true);
});
