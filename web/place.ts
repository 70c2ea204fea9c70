/**
 * What the address says about what is looked at: `#chat`, `#chat/ID` with the id of a session, `#pool`. Pure.
 *
 * A session's id is no secret: without a token nobody gets anything of it.
 */

export type Place = { readonly view: "chat"; readonly sessionId: string | undefined } | { readonly view: "pool" };

/** As the contract has them: SessionRef.id. */
const sessionIds = /^[A-Za-z0-9._:-]{1,128}$/;

export function placeOf(hash: string): Place {
  if (hash === "#pool") return { view: "pool" };
  const id = hash.startsWith("#chat/") ? hash.slice("#chat/".length) : "";
  return { view: "chat", sessionId: sessionIds.test(id) ? id : undefined };
}

export function hashOf(place: Place): string {
  if (place.view === "pool") return "#pool";
  return place.sessionId === undefined ? "#chat" : `#chat/${place.sessionId}`;
}
