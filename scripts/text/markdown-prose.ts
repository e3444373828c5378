/**
 * Extracts the prose of a Markdown page: headings, paragraphs, list items and table cells. Performs no I/O.
 *
 * Invariant: fenced and indented code, link targets and HTML comments are not part of the prose.
 */
import { withoutInlineCode } from './prose.ts';
import type { TextPiece } from './text-piece.ts';

export function markdownProse(content: string): TextPiece[] {
  const pieces: TextPiece[] = [];
  let paragraph: string[] = [];
  let firstLine = 0;
  let fence: string | undefined;
  const flush = (): void => {
    if (paragraph.length > 0) {
      pieces.push({ context: 'docs', line: firstLine, text: plain(paragraph.join('\n')) });
      paragraph = [];
    }
  };
  for (const [index, line] of content.split('\n').entries()) {
    const marker = /^\s*(```+|~~~+)/.exec(line)?.[1];
    if (fence !== undefined) {
      fence = marker?.startsWith(fence) === true ? undefined : fence;
      continue;
    }
    if (marker !== undefined) {
      flush();
      fence = marker;
      continue;
    }
    const isCode = paragraph.length === 0 && /^(?: {4}|\t)/.test(line);
    if (line.trim() === '' || isCode || /^\s*<!--/.test(line)) {
      flush();
      continue;
    }
    if (/^\s*\|/.test(line)) {
      flush();
      pieces.push(...cells(line).map((text) => ({ context: 'docs' as const, line: index + 1, text: plain(text) })));
      continue;
    }
    const startsAnother = /^\s*(?:[-*+]|\d+\.)\s|^#{1,6}\s/.test(line);
    if (startsAnother) {
      flush();
    }
    if (paragraph.length === 0) {
      firstLine = index + 1;
    }
    paragraph.push(line.replace(/^\s*(?:[-*+]|\d+\.)\s+|^#{1,6}\s+|^>\s?/, ''));
    if (/^#{1,6}\s/.test(line)) {
      flush();
    }
  }
  flush();
  return pieces;
}

function cells(line: string): string[] {
  const texts = line
    .replaceAll('\\|', ' ')
    .split('|')
    .map((text) => text.trim());
  return texts.filter((text) => text !== '' && !/^:?-+:?$/.test(text));
}

function plain(text: string): string {
  return withoutInlineCode(text)
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/\*\*|__/g, '');
}
