/**
 * What the user says in a request, as the blocks of a turn, or what is wrong with it.
 */
import type {
  ChatRequest,
  ContentBlock as ContentBlockMessage,
  StreamChatRequest,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { ContentBlock } from "../../turn.ts";
import { checkPicture, isPdf, pixelsOfAllFactor } from "./media.ts";

/** UTF-8 bytes of text in a prompt. */
export const maxPromptBytes = 1024 * 1024;

/** Notes a rule that the request breaks. */
export type Broken = (field: string, description: string) => void;

export function isBlank(text: string): boolean {
  return text.trim() === "";
}

/** The blocks of a request. `maxPixels` is the most that one picture may have. */
export function toContent(
  { prompt, content }: StreamChatRequest | ChatRequest,
  maxPixels: number,
  broken: Broken,
): ContentBlock[] {
  if (content.length === 0) {
    if (prompt !== "" && isBlank(prompt)) broken("prompt", "must not be only white space");
    return [{ kind: "text", text: prompt }];
  }
  let textBytes = 0;
  let pixelCount = 0;
  const blocks: ContentBlock[] = [];
  for (const [at, { block }] of content.entries()) {
    const field = `content[${at}]`;
    const converted =
      block.case === "document" ? toDocument(block.value, field, broken) : toPlain(block, field, broken);
    if (block.case === "image" && block.value.data.length > 0) {
      const picture = checkPicture(block.value.mediaType, block.value.data, maxPixels);
      pixelCount += picture.pixelCount;
      if (picture.problem !== undefined) broken(`${field}.image.data`, picture.problem);
    }
    if (converted === undefined) continue; // the proto's rules have said so
    if (converted.kind === "text" || converted.kind === "textDocument") textBytes += Buffer.byteLength(converted.text);
    blocks.push(converted);
  }
  if (textBytes > maxPromptBytes) {
    broken("content", `must have at most ${maxPromptBytes} bytes of text in all blocks together; it has ${textBytes}`);
  }
  const maxPixelsOfAll = pixelsOfAllFactor * maxPixels;
  if (pixelCount > maxPixelsOfAll) {
    broken("content", `must have at most ${maxPixelsOfAll} pixels in all pictures together; it has ${pixelCount}`);
  }
  return blocks;
}

function toPlain(block: ContentBlockMessage["block"], field: string, broken: Broken): ContentBlock | undefined {
  if (block.case === "image") return { kind: "image", mediaType: block.value.mediaType, data: block.value.data };
  if (block.case !== "text") return undefined;
  if (block.value !== "" && isBlank(block.value)) broken(`${field}.text`, "must not be only white space");
  return { kind: "text", text: block.value };
}

type DocumentMessage = Extract<ContentBlockMessage["block"], { case: "document" }>["value"];

function toDocument({ source, title }: DocumentMessage, field: string, broken: Broken): ContentBlock | undefined {
  const named = title === "" ? {} : { title };
  if (source.case === "pdf") {
    if (source.value.length > 0 && !isPdf(source.value)) broken(`${field}.document.pdf`, "is not a PDF file");
    return { kind: "pdf", data: source.value, ...named };
  }
  if (source.case === "text") {
    if (source.value !== "" && isBlank(source.value)) broken(`${field}.document.text`, "must not be only white space");
    return { kind: "textDocument", text: source.value, ...named };
  }
  return undefined;
}
