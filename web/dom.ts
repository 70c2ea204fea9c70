/**
 * Elements, made of names, attributes and children: the only way in which this page makes markup.
 *
 * Text becomes text nodes. There is no way to give an element markup as text, a style or an event handler as attributes.
 */

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element. A `true` attribute is set without a value, `false` and `undefined` leave it out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

const svgNamespace = "http://www.w3.org/2000/svg";

/** An icon of one path on a 16 by 16 grid, drawn in the colour of its text. Says nothing: its neighbour does. */
export function icon(path: string): SVGElement {
  const svg = document.createElementNS(svgNamespace, "svg");
  setAttributes(svg, { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" });
  const line = document.createElementNS(svgNamespace, "path");
  setAttributes(line, { d: path });
  svg.append(line);
  return svg;
}

function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style" || name.startsWith("on")) throw new Error(`bug: ${name} is no attribute to set`);
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** Sets a text only when it differs: nodes that do not change stay selected and are not read again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows or hides. */
export function setShown(element: HTMLElement, isShown: boolean): void {
  if (element.hidden === isShown) element.hidden = !isShown;
}
