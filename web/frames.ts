/**
 * Drawing, at most once per frame however much happens, and room for input in between.
 */

/** A piece of the page that can be drawn anew. True: it is not done, and wants the next frame as well. */
export type Draw = () => boolean | undefined;

const wanted = new Set<Draw>();
let isDue = false;

/** Draws in the next frame. Asking again until then changes nothing. */
export function drawSoon(draw: Draw): void {
  wanted.add(draw);
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(drawAll);
}

function drawAll(): void {
  isDue = false;
  const now = [...wanted];
  wanted.clear();
  for (const draw of now) if (draw() === true) drawSoon(draw);
}

/** Lets the browser handle what waits: input, and a frame that is due. A loop over a fast stream asks for this. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
