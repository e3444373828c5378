/**
 * Assembles Lua scripts from shared libraries. A library is a file of blocks, and each script includes only the blocks
 * that it uses. Redis runs the whole text of a script in every call, so Redis would create even an unused function in
 * each call.
 *
 * Invariants:
 *   1. Blocks are separated by blank lines and contain no blank lines. A block that declares no local variable contains
 *      only a comment.
 *   2. A block uses only local variables of earlier blocks, as Lua requires.
 *   3. The assembly includes a block if the name of one of the block's local variables occurs, outside of comments, in
 *      the script or in a later included block. It may include an unneeded block, but never omits a needed one.
 */

/** Block of a library. */
interface Block {
  readonly names: readonly string[];
  readonly text: string;
}

/**
 * Parsed blocks of each library. The assembly runs at every start, and V8 seldom returns the memory of collected
 * garbage to the operating system. So the code searches for names without regular expressions and without copies of the
 * text.
 */
const parsedLibraries = new Map<string, readonly Block[]>();

/** Returns the script, preceded by the library blocks that it uses, in the order of the libraries. */
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

/** Returns whether the name occurs in the text outside of comments and as a whole word. */
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

/** Returns the block of a library that declares this local variable. */
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

/** Returns the top-level local variables. Their declarations start at the beginning of a line. */
function declaredNames(text: string): string[] {
  const declarations = text.matchAll(/^local (?:function )?(\w+(?:, \w+)*)/gm);
  return [...declarations].flatMap(([, names = '']) => names.split(', '));
}
