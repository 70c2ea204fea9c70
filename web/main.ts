/**
 * The page: finds out whether the server wants a token, asks for one, and shows the chat and the pool.
 *
 * A client like any other: everything here goes through the service's contract. What it may do is bounded by the content
 * security policy that the server sends with it.
 */
import { App } from "./app.ts";

const app = new App(document.body);
await app.start();
