/**
 * A list that comes in pages, item by item.
 */

/** A page, and the token of the next one: empty after the last. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextPageToken: string;
}

/** All items. A page is asked for when the one before it has been read. */
export async function* pages<Item>(page: (pageToken: string) => Promise<Page<Item>>): AsyncGenerator<Item, void> {
  let pageToken = "";
  do {
    const { items, nextPageToken } = await page(pageToken);
    yield* items;
    pageToken = nextPageToken;
  } while (pageToken !== "");
}
