/**
 * The inner end of `child.ts`: answers the bench's commands, and ends when the bench is gone.
 */

/** What a child can be asked, by name. Inputs and outputs are plain JSON. */
// biome-ignore lint/suspicious/noExplicitAny: the one type that every function's parameters are assignable to.
export type Commands = Readonly<Record<string, (input: any) => unknown>>;

export type CommandReply =
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly error: string };

interface CommandCall {
  readonly id: number;
  readonly command: string;
  readonly input: unknown;
}

/** `end` is called once, when the bench has let go or is dead; the process exits behind it. */
export function serveCommands(commands: Commands, end: () => Promise<void> | void): void {
  process.on("message", async (message) => {
    const { id, command, input } = message as CommandCall;
    let reply: CommandReply;
    try {
      reply = { id, output: await commands[command]!(input) };
    } catch (error) {
      reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    if (process.connected) process.send!(reply);
  });
  process.once("disconnect", async () => {
    await end();
    process.exit(0);
  });
}

/** What a process has used so far. */
export interface ProcessFigures {
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
}

export function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return { cpuUs: user + system, rssBytes: rss, heapUsedBytes: heapUsed };
}
