/**
 * Looks over a protobuf message before it is decoded: one pass over its bytes that makes nothing of them.
 *
 * Counts fields, elements and text, and refuses what is beyond the bounds, so that decoding can only make as much as
 * the bounds allow. Follows the message's type; fields that the type does not have are counted and skipped, since
 * decoding throws them away. What decoding itself finds wrong (an enum, a range) is not looked at here.
 */
import { isUtf8 } from "node:buffer";
import { type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { field as fieldRules } from "../../../gen/buf/validate/validate_pb.ts";
import { RunnerError, type Violation } from "../../runner-error.ts";
import { invalidRequest, maxElements, maxViolations } from "../../service/in/rules.ts";
import type { RequestBounds } from "./bounds.ts";

/** What is to be known of a field to skip it, count it or go into it. */
interface FieldPlan {
  readonly name: string;
  readonly isList: boolean;
  readonly maxElements: number | undefined;
  /** The longest text, in bytes; longer ones are refused before anybody counts letters or matches a pattern. */
  readonly maxBytes: number;
  readonly wireType: number;
  /** How the content of a length-delimited value is looked at. */
  readonly content: "message" | "text" | "data" | "packed";
  /** For messages and entries of maps. */
  readonly message: (() => MessagePlan) | undefined;
  /** For packed lists: the bytes of an element, 0 for varints. */
  readonly elementBytes: number;
}

type MessagePlan = ReadonlyMap<number, FieldPlan>;

/** Below this no text is worth a refusal of its own. */
const shortTextBytes = 16 * 1024;

const wireVarint = 0;
const wire64 = 1;
const wireDelimited = 2;
const wire32 = 5;

/** Throws REQUEST_TOO_LARGE or INVALID_REQUEST when the message is beyond the bounds, or is none. */
export function scanWire(desc: DescMessage, bytes: Uint8Array, bounds: RequestBounds): void {
  new WireScan(bytes, bounds).run(planOf(desc));
}

const plans = new WeakMap<DescMessage, MessagePlan>();

function planOf(desc: DescMessage): MessagePlan {
  let plan = plans.get(desc);
  if (plan === undefined) {
    plan = new Map(desc.fields.map((field) => [field.number, fieldPlan(field)]));
    plans.set(desc, plan);
  }
  return plan;
}

function fieldPlan(field: DescField): FieldPlan {
  const { name } = field;
  const most = maxElements(field);
  if (field.fieldKind === "map") {
    const entry: MessagePlan = new Map([
      [1, leaf("key", field.mapKey)],
      [2, field.mapKind === "message" ? nested("value", field.message) : leaf("value", field.scalar)],
    ]);
    return { ...nested(name, undefined, true), maxElements: most, message: () => entry };
  }
  const isList = field.fieldKind === "list";
  const plan = field.message === undefined ? leaf(name, field.scalar, isList) : nested(name, field.message, isList);
  return { ...plan, maxElements: most, maxBytes: maxTextBytes(field) };
}

/**
 * What the rules of a text allow, generously: within this they speak for themselves. Letters are counted and patterns
 * matched by code that takes its time, up to a hundred nanoseconds for each letter.
 */
function maxTextBytes(field: DescField): number {
  const { type } = getOption(field, fieldRules);
  if (type.case !== "string") return Number.POSITIVE_INFINITY;
  const { maxBytes, maxLen, pattern } = type.value;
  if (maxBytes > 0n) return Math.max(shortTextBytes, Number(maxBytes));
  if (maxLen > 0n) return Math.max(shortTextBytes, 4 * Number(maxLen));
  return pattern === "" ? Number.POSITIVE_INFINITY : shortTextBytes;
}

function nested(name: string, desc: DescMessage | undefined, isList = false): FieldPlan {
  const message = desc && (() => planOf(desc));
  return {
    name,
    isList,
    maxElements: undefined,
    maxBytes: Number.POSITIVE_INFINITY,
    wireType: wireDelimited,
    content: "message",
    message,
    elementBytes: 0,
  };
}

/** A value that holds no message; without a scalar it is an enum. */
function leaf(name: string, scalar: ScalarType | undefined, isList = false): FieldPlan {
  const content = scalar === ScalarType.STRING ? "text" : scalar === ScalarType.BYTES ? "data" : "packed";
  const elementBytes = fixedBytes(scalar);
  const wireType =
    content !== "packed" ? wireDelimited : elementBytes === 8 ? wire64 : elementBytes === 4 ? wire32 : wireVarint;
  return {
    name,
    isList,
    maxElements: undefined,
    maxBytes: Number.POSITIVE_INFINITY,
    wireType,
    content,
    message: undefined,
    elementBytes,
  };
}

/** The bytes of a scalar of fixed size, 0 for a varint. */
function fixedBytes(scalar: ScalarType | undefined): number {
  switch (scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 8;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 4;
    default:
      return 0;
  }
}

const isPackable = ({ isList, content }: FieldPlan): boolean => isList && content === "packed";

class WireScan {
  readonly #bytes: Uint8Array;
  readonly #bounds: RequestBounds;
  readonly #path: string[] = [];
  readonly #violations: Violation[] = [];
  #at = 0;
  #fieldCount = 0;
  #textBytes = 0;

  constructor(bytes: Uint8Array, bounds: RequestBounds) {
    this.#bytes = bytes;
    this.#bounds = bounds;
  }

  run(plan: MessagePlan): void {
    this.#message(plan, this.#bytes.length);
    if (this.#violations.length > 0) throw invalidRequest(this.#violations);
  }

  #message(plan: MessagePlan, end: number): void {
    const { maxDepth } = this.#bounds;
    if (this.#path.length >= maxDepth) {
      throw new RunnerError("INVALID_REQUEST", `messages are nested more than ${maxDepth} deep in the request`, {
        facts: { limitDepth: maxDepth },
      });
    }
    const counts = new Map<FieldPlan, number>();
    while (this.#at < end) {
      const tag = this.#varint(end);
      const field = plan.get(tag >>> 3);
      if (tag >>> 3 === 0) throw this.#malformed("has a field with the number 0");
      const count = field?.isList ? (counts.get(field) ?? 0) + 1 : 0;
      if (field?.isList) counts.set(field, count);
      this.#value(tag & 7, field, count, end, counts);
    }
    this.#noteLongLists(counts, "");
  }

  #noteLongLists(counts: ReadonlyMap<FieldPlan, number>, orMore: string): void {
    for (const [field, count] of counts) {
      if (field.maxElements === undefined || count <= field.maxElements) continue;
      this.#broken(field, `must have at most ${field.maxElements} elements; it has ${orMore}${count}`);
    }
  }

  #value(
    wireType: number,
    field: FieldPlan | undefined,
    count: number,
    end: number,
    counts: Map<FieldPlan, number>,
  ): void {
    this.#count(1, counts);
    // Elements beyond their list's own bound are only counted: the refusal names how many there are.
    const isBeyond = field?.maxElements !== undefined && count > field.maxElements;
    // A decoder that read such a value by its type would see another message than was looked at here.
    if (field !== undefined && wireType !== field.wireType && !(isPackable(field) && wireType === wireDelimited)) {
      throw this.#malformed(`has the field "${field.name}" with the wire type ${wireType} of another kind of field`);
    }
    switch (wireType) {
      case wireVarint:
        this.#varint(end);
        return;
      case wire64:
        this.#skip(8, end);
        return;
      case wire32:
        this.#skip(4, end);
        return;
      case wireDelimited: {
        const stop = this.#varint(end) + this.#at;
        if (stop > end) throw this.#malformed("ends in the middle of a field");
        if (field !== undefined && !isBeyond) this.#content(field, count, stop, counts);
        this.#at = stop;
        return;
      }
      default:
        // Groups are of proto2, and no client that knows our types sends one.
        throw this.#malformed(`has a field of the wire type ${wireType}, which is unknown`);
    }
  }

  #content(field: FieldPlan, count: number, stop: number, counts: Map<FieldPlan, number>): void {
    switch (field.content) {
      case "data":
        return;
      case "text":
        this.#text(field, stop);
        return;
      case "packed": {
        const elements =
          field.elementBytes > 0 ? Math.floor((stop - this.#at) / field.elementBytes) : this.#varintCount(stop);
        counts.set(field, count - 1 + elements);
        // The field itself has been counted already.
        this.#count(Math.max(0, elements - 1), counts);
        return;
      }
      case "message":
        this.#path.push(field.isList ? `${field.name}[${count - 1}]` : field.name);
        this.#message(field.message!(), stop);
        this.#path.pop();
        return;
      default:
        field.content satisfies never;
    }
  }

  #text(field: FieldPlan, stop: number): void {
    const textBytes = stop - this.#at;
    this.#textBytes += textBytes;
    const { maxTextBytes } = this.#bounds;
    if (textBytes > field.maxBytes) {
      this.#broken(field, `must have at most ${field.maxBytes} bytes; it has ${textBytes}`);
    } else if (this.#textBytes > maxTextBytes) {
      throw new RunnerError("REQUEST_TOO_LARGE", `the request has more than ${maxTextBytes} bytes of text`, {
        facts: { limitTextBytes: maxTextBytes },
      });
    } else if (!isUtf8(this.#bytes.subarray(this.#at, stop))) {
      this.#broken(field, "is not valid UTF-8");
    }
  }

  #count(more: number, counts: ReadonlyMap<FieldPlan, number>): void {
    this.#fieldCount += more;
    const { maxFieldCount } = this.#bounds;
    if (this.#fieldCount <= maxFieldCount) return;
    this.#noteLongLists(counts, "at least ");
    if (this.#violations.length > 0) throw invalidRequest(this.#violations);
    throw new RunnerError("REQUEST_TOO_LARGE", `the request has more than ${maxFieldCount} fields and elements`, {
      facts: { limitFieldCount: maxFieldCount },
    });
  }

  #broken({ name }: FieldPlan, description: string): void {
    if (this.#violations.length < maxViolations) {
      this.#violations.push({ field: [...this.#path, name].join("."), description });
    }
  }

  #varintCount(stop: number): number {
    let count = 0;
    for (let at = this.#at; at < stop; at++) if (this.#bytes[at]! < 0x80) count++;
    return count;
  }

  #skip(byteCount: number, end: number): void {
    this.#at += byteCount;
    if (this.#at > end) throw this.#malformed("ends in the middle of a field");
  }

  /** The low 32 bits, as far as tags and lengths go; longer values are only skipped. */
  #varint(end: number): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= end) throw this.#malformed("ends in the middle of a field");
      const byte = this.#bytes[this.#at++]!;
      if (shift < 35) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw this.#malformed("has a number of more than ten bytes");
  }

  #malformed(why: string): RunnerError {
    return new RunnerError(
      "INVALID_REQUEST",
      `the request is not a message of its type: it ${why} at byte ${this.#at}`,
      {
        facts: { atByte: this.#at },
      },
    );
  }
}
