/**
 * Libraries of Lua: files of blocks that several scripts share, of which each script is sent with those that it uses. Redis runs the whole
 * text of a script in every call, so a function that is not used would still be created each time.
 *
 * Invariants:
 *   1. Blocks are separated by blank lines, and a block has none inside. One that declares no local is a comment.
 *   2. A block uses locals of earlier blocks only, as Lua requires.
 *   3. Whether a block is used depends on names alone, wherever they occur outside of comments: too much may be included, never too little.
 */

/** One block of a library. */
interface Block {
  readonly names: readonly string[];
  readonly text: string;
}

/**
 * The blocks of each library, parsed once. What an assembly allocates counts for every sidecar: garbage at start makes V8 grow its heap,
 * which it keeps. So names are looked up in place, without a regular expression or a copy for each.
 */
const parsedLibraries = new Map<string, readonly Block[]>();

/** The script behind those blocks of the libraries that it uses, in their order. */
export function withLibraries(script: string, libraries: readonly string[]): string {
  const included: string[] = [];
  const texts = [script];
  for (const library of libraries.toReversed()) {
    for (const block of blocksOf(library).toReversed()) {
      if (block.names.some((name) => texts.some((text) => uses(text, name)))) {
        included.unshift(block.text);
        texts.push(block.text);
      }
    }
  }
  return [...included, script].join('\n\n');
}

/** Whether the text holds this name outside of comments, and not only as a part of a longer one. */
function uses(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    if (!isWordAt(text, at - 1) && !isWordAt(text, at + name.length) && !isInComment(text, at)) {
      return true;
    }
  }
  return false;
}

function isInComment(text: string, at: number): boolean {
  const comment = text.lastIndexOf('--', at);
  return comment >= 0 && text.lastIndexOf('\n', at) < comment;
}

function isWordAt(text: string, at: number): boolean {
  const character = text.charCodeAt(at);
  const isDigit = character >= 48 && character <= 57;
  const isUpper = character >= 65 && character <= 90;
  const isLower = character >= 97 && character <= 122;
  return isDigit || isUpper || isLower || character === 95;
}

/** The block of a library that declares this local. */
export function blockDeclaring(name: string, library: string): string {
  const block = blocksOf(library).find((each) => each.names.includes(name));
  if (block === undefined) {
    throw new Error(`cannot assemble a script: no block of the library declares ${name}`);
  }
  return block.text;
}

function blocksOf(library: string): readonly Block[] {
  let blocks = parsedLibraries.get(library);
  if (blocks === undefined) {
    const texts = library.trim().split(/\n{2,}/);
    blocks = texts.map((text) => ({ text, names: declaredNames(text) })).filter(({ names }) => names.length > 0);
    parsedLibraries.set(library, blocks);
  }
  return blocks;
}

/** Locals of the outermost level: their declarations begin a line. */
function declaredNames(text: string): string[] {
  const declarations = text.matchAll(/^local (?:function )?(\w+(?:, \w+)*)/gm);
  return [...declarations].flatMap(([, names = '']) => names.split(', '));
}
