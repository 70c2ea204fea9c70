/**
 * Negative tests that stand with the part that they are about: rows of the table, each with the test that proves it.
 * `npm run security` runs those as well.
 */
export interface TestElsewhere {
  readonly tries: string;
  readonly expects: string;
  /** The file of the test. */
  readonly file: string;
  /** The test's own name, without the names of the blocks around it. */
  readonly test: string;
}

export interface ElsewhereGroup {
  readonly title: string;
  readonly tests: readonly TestElsewhere[];
}

export const elsewhere: readonly ElsewhereGroup[] = [
  {
    title: "Views of the pool",
    tests: [
      {
        tries: "a search for other tenants in the view of the pool",
        expects: "finds no name, worker or turn of theirs",
        file: "test/service/pool/pool-view.test.ts",
        test: "is never told another tenant's name, worker or turn",
      },
      {
        tries: "an attempt to infer from one's own view what others do",
        expects: "shows the same, whatever they do",
        file: "test/service/pool/pool-view.test.ts",
        test: "is told the same whatever other tenants have and do",
      },
      {
        tries: "a view that stays open after its token was revoked",
        expects: "ends",
        file: "test/e2e/pool.test.ts",
        test: "sees no more than its token may see by now, and is over when the token is taken away",
      },
    ],
  },
  {
    title: "Sessions and turns: rights and bounds",
    tests: [
      {
        tries: "sessions and turns of profiles that a token does not name",
        expects: "cannot be told from what never was",
        file: "test/service/kept/rights.test.ts",
        test: "finds no session and no turn of the others, and cannot tell them from what never was",
      },
      {
        tries: "a request with the same words and request_id as another token's",
        expects: "does not get its turn",
        file: "test/service/kept/rights.test.ts",
        test: "is not given the turn of a request with the same words under a profile that it may not use",
      },
      {
        tries: "a turn that is read on after its token was revoked",
        expects: "is read no further",
        file: "test/service/kept/rights.test.ts",
        test: "ends the reading of a silent turn at the next beat, and of a busy one within moments; the turn goes on",
      },
      {
        tries: "a turn that is read again by its request_id after its token was revoked",
        expects: "is read no further",
        file: "test/faults/revoked-token.process.test.ts",
        test: "a token that is revoked reads no turn on that another call began, and its own turns to their end",
      },
      {
        tries: "readers of a turn without number, by its id and by its request_id",
        expects: "find room for 64, and for so many of their tenant",
        file: "test/service/kept/odd-turns.test.ts",
        test: "are 64 of one turn at most, by AttachTurn and by the request's name, and the turn goes on",
      },
      {
        tries: "readers of kept words and of ended turns that read nothing",
        expects: "are ended",
        file: "test/service/kept/odd-turns.test.ts",
        test: "of stored words and of ended turns are ended as well when they read nothing",
      },
      {
        tries: "a page of the longest turns there are",
        expects: "ends at its bound in bytes",
        file: "test/service/kept/odd-turns.test.ts",
        test: "are bounded for each page, whatever the page's size",
      },
      {
        tries: "a search for the words of a deleted session",
        expects: "finds none: in no method, in no file, in no worker's folder",
        file: "test/e2e/deleted-words.test.ts",
        test: "are nowhere in the state folder, in the workers' folders and in the log",
      },
    ],
  },
  {
    title: "Traces, metrics and the log",
    tests: [
      {
        tries: "a search for prompts, answers, tokens and keys in spans, metrics and the log",
        expects: "finds none",
        file: "test/e2e/telemetry.test.ts",
        test: "holds nothing of what people and models said, no token and no key; labels are in the log only",
      },
      {
        tries: "credentials in fields, messages, errors and their causes",
        expects: "are removed from the log",
        file: "test/telemetry/log.test.ts",
        test: "takes credentials out of fields, messages, errors and their causes",
      },
      {
        tries: "a text made to be slow to redact",
        expects: "takes time in proportion to its length",
        file: "test/redact.test.ts",
        test: "takes time in proportion to the text",
      },
    ],
  },
  {
    title: "Port for Claude Code's spans",
    tests: [
      {
        tries: "guessed paths, and a worker's path once it is gone",
        expects: "are not accepted",
        file: "test/cli-spans/receiver.test.ts",
        test: "takes nothing elsewhere, and nothing any more once the worker is gone",
      },
      {
        tries: "other methods, types and encodings",
        expects: "are refused",
        file: "test/cli-spans/receiver.test.ts",
        test: "takes JSON that is posted as it is, and nothing else",
      },
      {
        tries: "bodies without an end",
        expects: "are read up to a limit",
        file: "test/cli-spans/receiver.test.ts",
        test: "reads no more than a bounded body",
      },
      {
        tries: "many bodies of one worker at once",
        expects: "are refused beyond a few",
        file: "test/cli-spans/receiver.test.ts",
        test: "reads few bodies of one worker at once, and has room again when they are over",
      },
    ],
  },
  {
    title: "Output of the model in the page",
    tests: [
      {
        tries: "HTML, inline and as a block",
        expects: "is shown as text",
        file: "test/web/markdown.test.ts",
        test: "is text when it is HTML, inline and as a block",
      },
      {
        tries: "links with javascript: and other schemes",
        expects: "lead nowhere and show their address",
        file: "test/web/markdown.test.ts",
        test: "shows the address of a link that leads nowhere, as text",
      },
      {
        tries: "pictures from other servers",
        expects: "are not loaded",
        file: "test/web/markdown.test.ts",
        test: "loads no pictures: they are links",
      },
    ],
  },
  {
    title: "Streams of text",
    tests: [
      {
        tries: "a text of the model that holds the lines of an event or of a failure",
        expects: "stays a text in its own event",
        file: "test/server/web/text-stream.test.ts",
        test: "cannot be made by a text that holds their lines",
      },
      {
        tries: "a turn sent again by a library whose connection broke (`Last-Event-ID`)",
        expects: "is not run a second time",
        file: "test/server/web/text-stream.test.ts",
        test: "does not run a turn a second time, unless the turn can be told by its request_id",
      },
    ],
  },
  {
    title: "Page of another origin",
    tests: [
      {
        tries: "a name that was pointed at this server (DNS rebinding), with the same Host and Origin",
        expects: "is refused",
        file: "test/server/page/page.test.ts",
        test: "may not be one of a name that was pointed at this server, though its Host and Origin agree",
      },
      {
        tries: "a page on another port, scheme or name of this machine",
        expects: "is refused",
        file: "test/server/page/page.test.ts",
        test: "may not be one of another port, scheme or name of this machine",
      },
    ],
  },
  {
    title: "Settings, tokens and folders",
    tests: [
      {
        tries: "keys such as __proto__ in variables and flags",
        expects: "cannot reach beyond the settings",
        file: "test/config/load.test.ts",
        test: "cannot reach beyond the settings",
      },
      {
        tries: "a secret where the name of its variable belongs",
        expects: "is not repeated in the error",
        file: "test/config/load.test.ts",
        test: "never repeats a secret that stands where its variable's name belongs",
      },
      {
        tries: "ports opened beyond loopback without a configured token",
        expects: "are not opened",
        file: "test/server/server.test.ts",
        test: "need a configured token, and never go without authentication",
      },
      {
        tries: "workers' folders while they run and after they have ended",
        expects: "are private, and gone",
        file: "test/cli/start/worker-folders.test.ts",
        test: "are private, and gone after the sweep",
      },
      {
        tries: "links in a worker's folder when the folder is removed",
        expects: "do not lead the removal outside the folder",
        file: "test/cli/start/worker-folders.test.ts",
        test: "are swept also where a tool took rights away, and nothing behind a link is",
      },
      {
        tries: "a link that a tool puts where a session's transcript or its files are expected",
        expects: "is not followed",
        file: "test/cli/transcript/session-transcript.test.ts",
        test: "is never read through a link that a tool put there",
      },
      {
        tries: "another user's folder, or a link, in the place of the folder for sessions' workers",
        expects: "is not used",
        file: "test/cli/start/session-folders.test.ts",
        test: "are refused where somebody else could write, or has put a link",
      },
      {
        tries: "a session's id, model or effort that is a flag or a path",
        expects: "reaches no command line",
        file: "test/cli/start/launch.test.ts",
        test: "is refused for a session with what its profile does not have",
      },
      {
        tries: "a list of processes",
        expects: "shows nothing of a system prompt",
        file: "test/cli/start/launch.test.ts",
        test: "shows nothing of the profile's system prompt to whoever lists processes",
      },
    ],
  },
  {
    title: "From one turn to the next",
    tests: [
      {
        tries: "traces of one turn in the next turn of a reused worker, byte by byte on the real Claude Code",
        expects: "are not there",
        file: "test/e2e/leaks.test.ts",
        test: "finds no leak, and can carry out every case",
      },
    ],
  },
];
