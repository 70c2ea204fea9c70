import { mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { importsOf, moduleSource } from "../../../src/server/page/module-source.ts";
import { PageFile } from "../../../src/server/page/page-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runner-page-file-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a file of the page", () => {
  /** Writes it, as of that second. */
  const write = async (text: string, second: number) => {
    await writeFile(join(folder, "file"), text);
    await utimes(join(folder, "file"), second, second);
  };
  const setUp = (isImmutable: boolean) => {
    let readCount = 0;
    const file = new PageFile({
      file: pathToFileURL(join(folder, "file")),
      contentType: "text/plain",
      isImmutable,
      read(url) {
        readCount += 1;
        return readFile(url, "utf8");
      },
    });
    const text = async () => (await file.content()).plain.toString();
    return { file, text, readCount: () => readCount };
  };

  it("is read once, and again only when it has changed", async () => {
    const { file, text, readCount } = setUp(false);
    await write("one", 1);
    expect(await Promise.all([text(), text(), text()])).toEqual(["one", "one", "one"]);
    const { etag } = await file.content();
    expect(readCount()).toBe(1);
    await write("two", 2);
    expect(await text()).toBe("two");
    expect((await file.content()).etag).not.toBe(etag);
    expect(readCount()).toBe(2);
  });

  it("is never looked at again when its path has its version", async () => {
    const { text, readCount } = setUp(true);
    await write("one", 1);
    expect(await text()).toBe("one");
    await rm(join(folder, "file"));
    expect(await text()).toBe("one");
    expect(readCount()).toBe(1);
  });

  it("that could not be read is tried again", async () => {
    const { text } = setUp(true);
    await expect(text()).rejects.toThrow("ENOENT");
    await write("there now", 1);
    expect(await text()).toBe("there now");
  });
});

describe("a module", () => {
  it("is sent without its types, with lines and columns as they were, and nothing is said on stderr", async () => {
    const warned: unknown[] = [];
    const listen = (warning: unknown) => void warned.push(warning);
    process.on("warning", listen);
    const file = join(folder, "module.ts");
    await writeFile(file, "const a: number = 1;\nexport const b = a as unknown;\n");
    expect(await moduleSource(pathToFileURL(file))).toBe("const a         = 1;\nexport const b = a           ;\n");
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", listen);
    expect(warned).toEqual([]);
  });

  it("names others by import and by export, types not counted", () => {
    const source = `import a from "./a.js";
import { b,
  type B } from './b.js';
import "./c.js";
import type { D } from "./d.js";
export * from "./e.js";
export type { F } from "./f.js";
export const g = "./g.js";
  import h from "./h.js";
// import i from "./i.js";
`;
    expect(importsOf(source)).toEqual(["./a.js", "./b.js", "./c.js", "./e.js"]);
  });
});
