/**
 * Draws sentences of comments and of docs at random, so that a reader can judge them against docs/internals/writing.md.
 * The same seed and the same files yield the same sentences.
 */
import { parseArgs } from 'node:util';
import { fileSentences } from './text/file-sentences.ts';
import { repositoryTexts } from './text/repository-texts.ts';
import type { TextContext } from './text/text-piece.ts';

const USAGE = `usage: node scripts/sample-text.ts --seed NUMBER [--count NUMBER] [--failed NUMBER,...]

Prints --count (default 50) numbered sentences of comments, and as many of docs.
--failed: numbers of the sentences that a reader has rejected; prints the share that passes.
`;

const MIN_WORDS = 4;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    count: { type: 'string', default: '50' },
    failed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const seed = wholeNumber('--seed', values.seed);
const count = wholeNumber('--count', values.count);
const failed = (values.failed ?? '').split(',').filter((text) => text !== '');

const random = randomNumbers(seed);
const sentences = repositoryTexts(process.cwd()).flatMap(({ path, content }) =>
  fileSentences(path, content).map(({ context, line, text }) => ({ context, place: `${path}:${line}`, text })),
);
const drawn = [...draw('comment'), ...draw('docs')];
for (const [index, sentence] of drawn.entries()) {
  process.stdout.write(`${index + 1}. ${sentence}\n`);
}
if (values.failed !== undefined) {
  const rejected = new Set(failed.map((text) => wholeNumber('--failed', text)));
  process.stdout.write(`${drawn.length - rejected.size} of ${drawn.length} pass (seed ${seed})\n`);
}

function draw(context: TextContext): string[] {
  const candidates = sentences.filter((each) => each.context === context && each.text.split(' ').length >= MIN_WORDS);
  const chosen: string[] = [];
  while (chosen.length < count && candidates.length > 0) {
    const [sentence] = candidates.splice(Math.floor(random() * candidates.length), 1);
    if (sentence !== undefined) {
      chosen.push(`[${context}] ${sentence.place}: ${sentence.text}`);
    }
  }
  return chosen;
}

function wholeNumber(option: string, text: string | undefined): number {
  if (text === undefined || !/^\d{1,9}$/.test(text)) {
    process.stderr.write(`${option} must be a whole number, got ${text ?? 'none'}\n\n${USAGE}`);
    process.exit(2);
  }
  return Number(text);
}

/**
 * Returns a seeded generator of numbers from 0 to 1 (mulberry32 by Tommy Ettinger, 2017), so that anyone can repeat a
 * sample.
 */
function randomNumbers(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
