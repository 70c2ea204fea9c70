/**
 * One file of the page: read when it is first asked for and again when it has changed, kept as the bytes that are sent.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

const compress = promisify(gzip);

export interface PageFileOptions {
  readonly file: URL;
  readonly contentType: string;
  /** Whether its content belongs to its path for ever. */
  readonly isImmutable: boolean;
  /** What is sent of it. */
  readonly read: (file: URL) => Promise<string>;
}

/** What is sent. */
export interface PageContent {
  readonly etag: string;
  readonly plain: Buffer;
  readonly gzipped: Buffer;
}

export class PageFile {
  readonly contentType: string;
  readonly cacheControl: string;
  readonly #options: PageFileOptions;
  #content: Promise<PageContent> | undefined;
  #modifiedMs = 0;

  constructor(options: PageFileOptions) {
    this.#options = options;
    this.contentType = options.contentType;
    // What may change is asked for each time, and mostly answered with 304.
    this.cacheControl = options.isImmutable ? "public, max-age=31536000, immutable" : "no-cache";
  }

  async content(): Promise<PageContent> {
    const { file, isImmutable } = this.#options;
    if (this.#content === undefined || !isImmutable) {
      const { mtimeMs } = await stat(file);
      if (this.#content === undefined || mtimeMs !== this.#modifiedMs) {
        this.#modifiedMs = mtimeMs;
        this.#content = this.#read();
        // A failed one is tried again.
        this.#content.catch(() => {
          this.#content = undefined;
        });
      }
    }
    return await this.#content;
  }

  async #read(): Promise<PageContent> {
    const plain = Buffer.from(await this.#options.read(this.#options.file));
    const digest = createHash("sha256").update(plain).digest("base64url").slice(0, 22);
    // Weak: the same for both encodings.
    return { etag: `W/"${digest}"`, plain, gzipped: await compress(plain) };
  }
}
