/**
 * Libraries of Lua: files of blocks that several scripts share, of which each script is sent with those that it uses. Redis runs the whole
 * text of a script in every call, so a function that is not used would still be created each time.
 *
 * Invariants:
 *   1. Blocks are separated by blank lines, and a block has none inside. One that declares no local is a comment.
 *   2. A block uses locals of earlier blocks only, as Lua wants it.
 *   3. Whether a block is used depends on names alone, wherever they occur outside of comments: too much may be included, never too little.
 */

/** One block of a library. */
interface Block {
  readonly names: readonly string[];
  readonly text: string;
}

/** The script behind those blocks of the libraries that it uses, in their order. */
export function withLibraries(script: string, libraries: readonly string[]): string {
  const included: string[] = [];
  let uses = withoutComments(script);
  for (const block of libraries.flatMap(blocksOf).toReversed()) {
    if (block.names.some((name) => new RegExp(`\\b${name}\\b`).test(uses))) {
      included.unshift(block.text);
      uses += withoutComments(block.text);
    }
  }
  return [...included, script].join('\n\n');
}

/** The block of a library that declares this local. */
export function blockDeclaring(name: string, library: string): string {
  const block = blocksOf(library).find((each) => each.names.includes(name));
  if (block === undefined) {
    throw new Error(`cannot assemble a script: no block of the library declares ${name}`);
  }
  return block.text;
}

export function withoutComments(text: string): string {
  return text.replace(/--.*$/gm, '');
}

function blocksOf(library: string): readonly Block[] {
  const texts = library.trim().split(/\n{2,}/);
  return texts.map((text) => ({ text, names: declaredNames(text) })).filter(({ names }) => names.length > 0);
}

/** Locals of the outermost level: their declarations begin a line. */
function declaredNames(text: string): string[] {
  const declarations = text.matchAll(/^local (?:function )?(\w+(?:, \w+)*)/gm);
  return [...declarations].flatMap(([, names = '']) => names.split(', '));
}
