/**
 * What a person at a terminal sees when the server has started: where it is, who may call, what to try.
 */
import type { LoadedSettings } from "../config/load.ts";
import { workerBounds } from "../config/profile-settings.ts";
import { runnerVersion } from "../config/version.ts";
import type { Runner } from "../main.ts";
import type { Address } from "../server/connections/listener.ts";
import { missingKeyLines } from "./missing-key.ts";
import { counted, type Style } from "./terminal.ts";

/** `127.0.0.1:7433`, `[::1]:7433`. */
export function addressText({ host, port }: Address): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]:${port}` : `${host}:${port}`;
}

type StartFacts = "grpcAddress" | "webAddress" | "adminAddress" | "tokenNotice" | "missingCredentials";

export function startSummary(loaded: LoadedSettings, server: Pick<Runner, StartFacts>, style: Style): string {
  const { settings } = loaded;
  const lines: string[] = ["", `${style.bold(`claude-runner ${runnerVersion}`)}${fileNote(loaded, style)}`, ""];
  const row = (name: string, value: string, note = "") =>
    lines.push(`  ${style.dim(name.padEnd(9))}${value}${note && `  ${style.dim(note)}`}`);

  row("gRPC", style.cyan(addressText(server.grpcAddress)), settings.grpc.tls ? "TLS" : "");
  const scheme = settings.web.tls === undefined ? "http" : "https";
  if (server.webAddress !== undefined) {
    row("web", style.cyan(`${scheme}://${addressText(server.webAddress)}`), "Connect, gRPC-Web, JSON");
    if (settings.web.page) row("page", style.cyan(`${scheme}://${addressText(server.webAddress)}/`), "for a browser");
  }
  if (server.adminAddress !== undefined) {
    row("admin", style.cyan(`http://${addressText(server.adminAddress)}`), "/metrics /healthz /readyz");
  }
  for (const [name, profile] of Object.entries(settings.profiles)) {
    const { minSpares, maxWorkers } = workerBounds(profile);
    const tools = profile.tools.length === 0 ? "no tools" : `tools ${profile.tools.join(", ")}`;
    row(
      "profile",
      name,
      `${profile.model}, ${tools}, ${counted(minSpares, "spare")}, up to ${counted(maxWorkers, "worker")}`,
    );
  }
  if (server.tokenNotice?.isNew) {
    row("token", style.green(server.tokenNotice.token));
    row("", style.dim(`shown only once; kept in ${server.tokenNotice.file}, where \`claude-runner chat\` finds it`));
  } else if (!settings.auth.insecureNoAuth) {
    const count = settings.auth.tokens.length;
    row(
      "token",
      count > 0 ? counted(count, "token") : `in ${settings.auth.tokenFile}`,
      count > 0 ? "of the settings" : "",
    );
  }
  const isMissing = (name: string) => server.missingCredentials.some(({ credential }) => credential === name);
  const canServe = Object.values(settings.profiles).some(({ credential }) => !isMissing(credential));
  const url = server.grpcAddress.port === 7433 ? "" : ` --url ${addressText(server.grpcAddress)}`;
  lines.push("");
  if (canServe) lines.push(`  Try it in another terminal:  ${style.bold(`claude-runner chat${url} "Say hello"`)}`);
  lines.push(`  ${style.dim("Ctrl-C stops, once running turns have ended.")}`, "");
  // Last, where it is seen: what has to be done before anything can be tried.
  for (const line of missingKeyLines(server, settings)) lines.push(`${style.red("error:")} ${line}`);
  lines.push("");
  return lines.join("\n");
}

function fileNote({ fileName }: LoadedSettings, style: Style): string {
  return style.dim(fileName === undefined ? "  without a settings file" : `  with ${fileName}`);
}
