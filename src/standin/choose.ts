/**
 * Which scenario answers a request: a script of the program that started the stand-in, the marker in the prompt, a rule
 * of the scenario file, the default; in this order.
 *
 * Leaves out which step of it is due; the conversation says that.
 */
import { z } from "zod";
import type { Asked } from "./builtin/define.ts";
import { findMarker } from "./marker.ts";
import type { RecordedRequest } from "./record.ts";
import { parseAs, parseScenario, type Scenario, ScenarioError, scenarioSchema } from "./scenario.ts";
import { builtIns } from "./scenarios.ts";

const reference = z.union([
  z.string().min(1),
  z.strictObject({ name: z.string().min(1), options: z.record(z.string(), z.json()).default({}) }),
  scenarioSchema,
]);

const condition = z.union([
  z.strictObject({ contains: z.string().min(1) }),
  z.strictObject({ matches: z.string().transform(toPattern) }),
]);

const scenarioFileSchema = z.strictObject({
  /** Scenarios of one's own, for rules, markers and the default. They win over built-in ones of the same name. */
  scenarios: z.record(z.string().regex(/^[\w-]+$/u, "letters, digits, _ and - only"), scenarioSchema).default({}),
  /** Tried in order against the last text that the user wrote. */
  rules: z.array(z.strictObject({ when: condition, scenario: reference })).default([]),
  default: reference.optional(),
});

/** What a scenario file holds, as a person writes it. */
export type ScenarioFile = z.input<typeof scenarioFileSchema>;
/** A scenario by name, by name with options, or written out. */
export type ScenarioReference = z.input<typeof reference>;
/** Answers a request by program. `undefined` leaves it to the next in order. */
export type ScenarioScript = (request: RecordedRequest) => ScenarioReference | undefined;

interface Script {
  readonly ask: (request: RecordedRequest) => Reference | undefined;
  left: number;
}

type Reference = z.output<typeof reference>;

/** Scenarios that were made before, so that their encoded answers are found again. */
const maxKeptScenarios = 256;

export class Chooser {
  readonly #file: z.output<typeof scenarioFileSchema>;
  readonly #default: Reference;
  readonly #scripts: Script[] = [];
  readonly #kept = new Map<string, Scenario>();

  /** Throws a ScenarioError when the file or the default is not valid, or names what does not exist. */
  constructor(file: ScenarioFile = {}, fallback?: ScenarioReference) {
    this.#file = parseAs(scenarioFileSchema, "the scenario file", file);
    this.#default =
      fallback === undefined ? (this.#file.default ?? "answer") : parseAs(reference, "the default scenario", fallback);
    for (const named of [this.#default, ...this.#file.rules.map((rule) => rule.scenario)]) this.#checkName(named);
  }

  /**
   * The newest script is asked first, and answers at most `times` requests. Returns how to remove it. Throws a
   * ScenarioError when the scenario is not valid.
   */
  script(scenario: ScenarioReference | ScenarioScript, times = Number.POSITIVE_INFINITY): () => void {
    const script: Script = { ask: this.#toAsk(scenario), left: times };
    this.#scripts.unshift(script);
    return () => this.#remove(script);
  }

  clearScripts(): void {
    this.#scripts.length = 0;
  }

  /** Throws a ScenarioError when a script or a marker asks for what does not exist. */
  choose(record: RecordedRequest, asked: Asked): Scenario {
    for (const script of [...this.#scripts]) {
      const named = script.ask(record);
      if (named === undefined) continue;
      if (--script.left <= 0) this.#remove(script);
      return this.#make(named, asked, "script");
    }
    const { prompt, asksForSummary } = asked.conversation;
    if (asksForSummary) return this.#make("summary", asked);
    const marker = findMarker(prompt);
    if (marker !== undefined) {
      return "written" in marker ? parseScenario(marker.written, "marker") : this.#makeNamed(marker, asked);
    }
    const rule = this.#file.rules.find(({ when }) =>
      "contains" in when ? prompt.includes(when.contains) : when.matches.test(prompt),
    );
    return rule === undefined ? this.#make(this.#default, asked, "default") : this.#make(rule.scenario, asked, "rule");
  }

  /** `origin` is the name of a scenario that is written out. */
  #make(named: Reference, asked: Asked, origin = ""): Scenario {
    if (typeof named === "string") return this.#makeNamed({ name: named, options: {} }, asked);
    if ("name" in named) return this.#makeNamed(named, asked);
    return { ...named, name: origin };
  }

  #makeNamed(named: { readonly name: string; readonly options: object }, asked: Asked): Scenario {
    const { name, options } = named;
    this.#checkName(name);
    const own = this.#file.scenarios[name];
    const builtIn = builtIns.get(name);
    const make = () => (own !== undefined ? { ...own, name } : builtIn!.make(options, asked));
    if (own === undefined && builtIn!.looksAtConversation) return make();
    return this.#keep(`${name} ${JSON.stringify(options)}`, make);
  }

  #checkName(named: Reference): void {
    if (typeof named !== "string" && !("name" in named)) return;
    const name = typeof named === "string" ? named : named.name;
    if (Object.hasOwn(this.#file.scenarios, name) || builtIns.has(name)) return;
    const known = [...Object.keys(this.#file.scenarios), ...builtIns.keys()];
    throw new ScenarioError(`there is no scenario ${name}; known are ${known.join(", ")}`);
  }

  #keep(key: string, make: () => Scenario): Scenario {
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const scenario = make();
    if (this.#kept.size >= maxKeptScenarios) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(key, scenario);
    return scenario;
  }

  /** Anything but a function is checked once, when it is scripted. */
  #toAsk(scenario: ScenarioReference | ScenarioScript): Script["ask"] {
    if (typeof scenario === "function") {
      return (request) => {
        const named = scenario(request);
        return named === undefined ? undefined : parseAs(reference, "the script's scenario", named);
      };
    }
    const checked = parseAs(reference, "the scripted scenario", scenario);
    this.#checkName(checked);
    return () => checked;
  }

  #remove(script: Script): void {
    const at = this.#scripts.indexOf(script);
    if (at >= 0) this.#scripts.splice(at, 1);
  }
}

function toPattern(source: string, context: z.RefinementCtx): RegExp {
  try {
    return new RegExp(source, "u");
  } catch (error) {
    context.addIssue({ code: "custom", message: error instanceof Error ? error.message : "no regular expression" });
    return z.NEVER;
  }
}
