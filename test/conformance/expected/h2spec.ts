/**
 * The cases of h2spec that the ports fail beyond those that a bare `http2.createServer` of the same Node fails.
 *
 * What bare Node fails is found out in the same run, so that a new Node needs no new list.
 */
export interface Exception {
  readonly port: "grpc" | "web";
  /** The section and the beginning of the case's name. */
  readonly section: string;
  readonly name: string;
  /** Whether it depends on who is first. */
  readonly isRace: boolean;
  readonly why: string;
}

const answeredAtOnce =
  "h2spec asks for `/` by GET, which the gRPC port answers at once with trailers alone, before the frame that the case is about has come";

export const exceptions: readonly Exception[] = [
  {
    port: "web",
    section: "http2/3.5",
    name: "Sends invalid connection preface",
    isRace: false,
    why: "what does not begin like HTTP/2 is taken for HTTP/1.1 on this port, and answered in it with 400 before the connection is closed",
  },
  ...[
    ["generic/2", "Sends a WINDOW_UPDATE frame on half-closed (remote) stream"],
    ["generic/2", "Sends a PRIORITY frame on half-closed (remote) stream"],
    ["generic/2", "Sends a RST_STREAM frame on half-closed (remote) stream"],
    ["http2/6.1", "Sends a DATA frame on the stream that is not in"],
    ["http2/8.1.2.6", "Sends a HEADERS frame with the"],
    ["http2/5.1", "half closed (remote): Sends a"],
  ].map(
    ([section, name]) => ({ port: "grpc", section: section!, name: name!, isRace: true, why: answeredAtOnce }) as const,
  ),
  {
    port: "grpc",
    section: "http2/5.1.2",
    name: "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
    isRace: true,
    why: "the same: no stream stays open long enough for the limit of 100 to be reached",
  },
];
