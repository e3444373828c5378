/**
 * The code of a Lua text: what is left of it without its comments.
 */

export function withoutComments(text: string): string {
  return text.replace(/--.*$/gm, '');
}
