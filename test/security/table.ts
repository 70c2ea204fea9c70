/** The table of negative tests, as docs/security.md has it and as `npm run security` prints it. */
import { type Port, testName } from "./attack.ts";
import { attackGroups } from "./attacks.ts";
import { elsewhere } from "./elsewhere.ts";

const attacksFile = "test/security/attacks.process.test.ts";

/** One negative test. */
export interface Row {
  readonly group: string;
  readonly tries: string;
  readonly expects: string;
  readonly port?: Port;
  /** Where it is written, for readers. */
  readonly source: string;
  /** Which file runs it, under which name. */
  readonly file: string;
  readonly test: string;
}

/** Every negative test there is. */
export const rows: readonly Row[] = [
  ...attackGroups.flatMap(({ title, file, attacks }) =>
    attacks.map((attack) => ({
      group: title,
      tries: attack.tries,
      expects: attack.expects,
      ...(attack.port !== undefined && { port: attack.port }),
      source: `test/security/groups/${file}`,
      file: attacksFile,
      test: testName(attack),
    })),
  ),
  ...elsewhere.flatMap(({ title, tests }) => tests.map((test) => ({ group: title, source: test.file, ...test }))),
];

/** The table for the page: a section for each group. What is tried on both ports is one line. */
export function securityReference(): string {
  return [...Map.groupBy(rows, ({ group }) => group)]
    .map(([group, of]) =>
      [
        `### ${group}`,
        "",
        "| tried | what must happen | ports | test |",
        "|---|---|---|---|",
        ...[...Map.groupBy(of, ({ tries, expects }) => `${tries}\n${expects}`).values()].map(tableLine),
        "",
      ].join("\n"),
    )
    .join("\n");
}

function tableLine(same: readonly Row[]): string {
  const { tries, expects, source, file, test } = same[0]!;
  const ports = same.flatMap(({ port }) => (port === undefined ? [] : [port === "grpc" ? "gRPC" : port])).join(", ");
  const name = source === file ? `, “${cell(test)}”` : "";
  return `| ${cell(tries)} | ${cell(expects)} | ${ports} | [${source.split("/").at(-1)}](../${source})${name} |`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}
