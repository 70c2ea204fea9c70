/**
 * The names in a PromQL expression: which metrics it selects, by which labels. Knows just enough of the language for
 * that; whether an expression is valid is for Prometheus to say.
 */

export interface NamesUsed {
  /** By metric: the labels that its selectors match on. */
  readonly metrics: ReadonlyMap<string, ReadonlySet<string>>;
  /** Labels that results are grouped or matched by. */
  readonly groupedBy: ReadonlySet<string>;
}

const keywords = new Set(["and", "or", "unless", "bool", "offset", "inf", "nan"]);
const grouping = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const selector = /([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}/g;

export function namesIn(expression: string): NamesUsed {
  const metrics = new Map<string, Set<string>>();
  const groupedBy = new Set<string>();
  const labelsOf = (metric: string) => {
    const known = metrics.get(metric) ?? new Set<string>();
    metrics.set(metric, known);
    return known;
  };
  let rest = expression.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').replaceAll(/\[[^\]]*\]/g, " ");
  rest = rest.replaceAll(grouping, (_, labels: string) => {
    for (const label of labels.split(",")) if (label.trim() !== "") groupedBy.add(label.trim());
    return " ";
  });
  rest = rest.replaceAll(selector, (_, metric: string, matchers: string) => {
    const labels = labelsOf(metric);
    for (const [, label = ""] of matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) labels.add(label);
    return " ";
  });
  // What is left and neither called nor a word of the language is a metric without matchers.
  for (const [, word = ""] of rest.matchAll(/(?<![\w.$])([a-zA-Z_:][\w:]*)(?![\w:])(?!\s*\()/g)) {
    if (!keywords.has(word.toLowerCase())) labelsOf(word);
  }
  return { metrics, groupedBy };
}
