/**
 * Removes comments from Lua text.
 */

export function withoutComments(text: string): string {
  return text.replace(/--.*$/gm, '');
}
