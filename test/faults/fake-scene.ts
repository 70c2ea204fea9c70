/**
 * A whole server on the fake CLI, with short timeouts: for what the real CLI does not do on demand.
 *
 * A prompt asks for a behaviour by `[[fake NAME {json}]]`. What happens before there is a prompt is asked for by a script,
 * which `follow` gives to the processes that start from then on.
 */
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openScene, type Scene, type SettingsInput } from "../e2e/scene.ts";
import { type FakeCli, makeFakeCli, type RecordEntry } from "../fakes/fake-cli.ts";
import type { FakeScript } from "../fakes/script.ts";

export interface FakeScene extends Scene {
  readonly fake: FakeCli;
  /** The script of the processes that start from now on; its `processes` are counted from now on, too. */
  follow(script: FakeScript): Promise<void>;
}

/** Short, so that faults show soon; none is so short that a busy machine looks like a fault. */
const shortTimeouts = {
  silenceTimeoutMs: 2_000,
  controlTimeoutMs: 2_000,
  interruptTimeoutMs: 1_000,
  stopTimeoutMs: 500,
  startTimeoutMs: 30_000,
};

export async function openFakeScene(settings: SettingsInput = {}, script: FakeScript = {}): Promise<FakeScene> {
  await using opened = new AsyncDisposableStack();
  const fake = opened.use(await makeFakeCli(script));
  const scene = await openScene({
    settings: {
      ...settings,
      cli: { path: fake.path, ...settings.cli },
      pool: { ...shortTimeouts, ...settings.pool },
    },
  });
  opened.defer(() => scene.close());
  const folder = dirname(fake.path);
  const parts = opened.move();
  return {
    ...scene,
    fake,
    async follow(next) {
      for (let ordinal = 0; existsSync(join(folder, `script.json.started.${ordinal}`)); ordinal++) {
        await rm(join(folder, `script.json.started.${ordinal}`));
      }
      await writeFile(join(folder, "script.json"), JSON.stringify(next));
    },
    close: () => parts.disposeAsync(),
  };
}

/** What the processes of a fake noted that fits, in order. */
export async function recorded(fake: FakeCli, fits: (entry: RecordEntry) => boolean): Promise<readonly RecordEntry[]> {
  return (await fake.record()).filter(fits);
}

/** A prompt that the fake answers slowly enough to do something in the middle, and not for ever. */
export const slowAnswer = '[[fake answer {"flood":{"deltas":3000,"chars":20},"perSecond":100}]]';
