/**
 * Messages of any type made to be expensive, for tests and for the fuzzer: walks the type's descriptor, so that a field
 * which is added tomorrow is tried as well.
 */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A way to make a message of about so many bytes. */
export interface Shape {
  readonly name: string;
  make(sizeBytes: number): Uint8Array;
}

const unknownFieldNumber = 1_999;

/** Every way that there is for this type. */
export function hostileShapes(desc: DescMessage): Shape[] {
  const shapes: Shape[] = [
    {
      name: "tiny fields that nobody knows",
      make: (size) => repeated(size, (to) => to.tag(unknownFieldNumber, WireType.Varint).uint32(0)),
    },
    {
      name: "one long field that nobody knows",
      make: (size) =>
        new BinaryWriter().tag(unknownFieldNumber, WireType.LengthDelimited).bytes(new Uint8Array(size)).finish(),
    },
  ];
  for (const { path, field } of fieldsWithin(desc)) {
    const name = [...path.map((one) => one.name), field.name].join(".");
    const within = (content: (size: number) => Uint8Array) => (size: number) => nested(path, content(size));
    shapes.push({ name: `${name}: tiny and many`, make: within((size) => repeated(size, (to) => tiny(to, field))) });
    if (field.fieldKind === "list" && field.listKind !== "message") {
      const packed = (size: number) =>
        new BinaryWriter().tag(field.number, WireType.LengthDelimited).bytes(new Uint8Array(size)).finish();
      shapes.push({ name: `${name}: packed`, make: within(packed) });
    }
    if (isDelimited(field)) {
      for (const [kind, text] of [
        ["letters", "x"],
        ["two bytes each", "ü"],
        ["four bytes each", "😀"],
        ["spaces", " "],
        ["controls", "\u0001"],
      ] as const) {
        const long = (size: number) =>
          new BinaryWriter()
            .tag(field.number, WireType.LengthDelimited)
            .string(text.repeat(size / Buffer.byteLength(text)))
            .finish();
        shapes.push({ name: `${name}: long, ${kind}`, make: within(long) });
      }
      const many = (size: number) =>
        repeated(size, (to) => to.tag(field.number, WireType.LengthDelimited).string("ü".repeat(50)));
      shapes.push({ name: `${name}: short texts`, make: within(many) });
    }
    if (path.length > 0) {
      // The messages around it repeat, each with the field once.
      const one = new BinaryWriter();
      tiny(one, field);
      const inner = nested(path, one.finish());
      shapes.push({
        name: `${name}: in many messages`,
        make: (size) => Buffer.alloc(Math.ceil(size / inner.length) * inner.length, inner),
      });
    }
  }
  return shapes;
}

/** Every field of the type and of those within it, each type once on a path. */
function fieldsWithin(
  desc: DescMessage,
  path: readonly DescField[] = [],
  seen = new Set([desc]),
): { path: readonly DescField[]; field: DescField }[] {
  return desc.fields.flatMap((field) => {
    const message = field.message;
    if (message === undefined || seen.has(message)) return [{ path, field }];
    return [{ path, field }, ...fieldsWithin(message, [...path, field], new Set([...seen, message]))];
  });
}

function nested(path: readonly DescField[], content: Uint8Array): Uint8Array {
  return path.reduceRight((inner, field) => {
    const entry =
      field.fieldKind === "map" ? new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(inner).finish() : inner;
    return new BinaryWriter().tag(field.number, WireType.LengthDelimited).bytes(entry).finish();
  }, content);
}

function repeated(sizeBytes: number, write: (to: BinaryWriter) => unknown): Uint8Array {
  const one = new BinaryWriter();
  write(one);
  const bytes = one.finish();
  return Buffer.alloc(Math.ceil(sizeBytes / bytes.length) * bytes.length, bytes);
}

/** The smallest value of a field, as it stands in a message. */
function tiny(to: BinaryWriter, field: DescField): void {
  if (isDelimited(field)) {
    to.tag(field.number, WireType.LengthDelimited).bytes(new Uint8Array());
    return;
  }
  const scalar = "scalar" in field ? field.scalar : undefined;
  switch (scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      to.tag(field.number, WireType.Bit64).fixed64(0n);
      return;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      to.tag(field.number, WireType.Bit32).fixed32(0);
      return;
    default:
      to.tag(field.number, WireType.Varint).uint32(1);
  }
}

function isDelimited(field: DescField): boolean {
  if (field.message !== undefined || field.fieldKind === "map") return true;
  return "scalar" in field && (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES);
}

/** The same for JSON: texts of about so many bytes. */
export function hostileJson(desc: DescMessage): { readonly name: string; make(sizeBytes: number): string }[] {
  const filled = (before: string, one: string, after: string) => (size: number) =>
    `${before}${Array(Math.max(1, Math.floor(size / (one.length + 1))))
      .fill(one)
      .join(",")}${after}`;
  const keys = (stem: string) => (size: number) =>
    `{${Array.from({ length: Math.ceil(size / (stem.length + 12)) }, (_, at) => `"${stem}${at}":1`).join(",")}}`;
  const name = desc.fields[0]?.jsonName ?? "x";
  return [
    { name: "unknown lists", make: filled('{"x":[', "{}", "]}") },
    { name: "unknown names", make: keys("x") },
    { name: "nearly known names", make: keys(`${name}x`) },
    { name: "doubled keys", make: filled("{", `"${name}":1`, "}") },
    { name: "spaces", make: (size) => `{${" ".repeat(size)}}` },
    { name: "digits", make: (size) => `{"${name}":${"1".repeat(size)}}` },
    { name: "opened and not closed", make: (size) => "[".repeat(size) },
    { name: "a long key", make: (size) => `{"${"k".repeat(size)}":1}` },
    { name: "long keys that differ at their end", make: keys("k".repeat(17_000)) },
    { name: "a key of escapes", make: (size) => `{"${"\\u0041".repeat(size / 6)}":1}` },
    ...desc.fields.flatMap((field) => [
      { name: `${field.name}: letters`, make: (size: number) => `{"${field.jsonName}":"${"x".repeat(size)}"}` },
      {
        name: `${field.name}: escapes`,
        make: (size: number) => `{"${field.jsonName}":"${"\\u00fc".repeat(size / 6)}"}`,
      },
      {
        name: `${field.name}: short escapes`,
        make: (size: number) => `{"${field.jsonName}":"${"\\n".repeat(size / 2)}"}`,
      },
      {
        name: `${field.name}: halves of pairs`,
        make: (size: number) => `{"${field.jsonName}":"${"\\ud83d".repeat(size / 6)}"}`,
      },
      { name: `${field.name}: empty elements`, make: filled(`{"${field.jsonName}":[`, "{}", "]}") },
      { name: `${field.name}: wrong elements`, make: filled(`{"${field.jsonName}":[`, "1", "]}") },
      { name: `${field.name}: entries`, make: (size: number) => `{"${field.jsonName}":${keys("k")(size)}}` },
      {
        name: `${field.name}: entries with long keys`,
        make: (size: number) => `{"${field.jsonName}":${keys("k".repeat(17_000))(size)}}`,
      },
      ...(field.message?.fields ?? [])
        .filter(({ fieldKind }) => fieldKind === "map")
        .map((inner) => ({
          name: `${field.name}.${inner.name}: entries of text`,
          make: (size: number) => {
            const map = keys("K")(size).replaceAll(":1", ':"x"');
            const message = `{"${inner.jsonName}":${map}}`;
            return `{"${field.jsonName}":${field.fieldKind === "list" ? `[${message}]` : message}}`;
          },
        })),
    ]),
  ];
}
