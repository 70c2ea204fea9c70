/**
 * Pieces of a line for a terminal: texts that know their width, since what colours them takes no room.
 */

/** A text and how it looks. */
export interface Cell {
  readonly text: string;
  readonly paint?: ((text: string) => string) | undefined;
}

export function painted({ text, paint }: Cell): string {
  return text === "" || paint === undefined ? text : paint(text);
}

/** Texts with a gap between them, as many as fit; of the first one at least its beginning. */
export function joined(cells: readonly Cell[], columns: number): string {
  let line = "";
  let width = 0;
  for (const { text, paint } of cells) {
    const gap = width === 0 ? "" : "  ";
    if (width + gap.length + text.length > columns) {
      return width === 0 ? clipped([{ text, paint }], columns) : line;
    }
    line += gap + painted({ text, paint });
    width += gap.length + text.length;
  }
  return line;
}

/** Texts without a gap, cut where the line ends. */
export function clipped(cells: readonly Cell[], columns: number): string {
  let left = Math.max(0, columns);
  return cells
    .map(({ text, paint }) => {
      const shown = text.slice(0, left);
      left -= shown.length;
      return painted({ text: shown, paint });
    })
    .join("");
}
