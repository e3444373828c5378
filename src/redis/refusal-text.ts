/**
 * Redis' own text of a refusal, for logs and /readyz. Pure.
 *
 * Redis and proxies in front of it repeat what they were sent: the arguments of an unknown command, a login with its password, a key.
 *
 *   1. Nothing between the first and the last quote is kept, but names of commands and options of Redis' own texts.
 *   2. Nothing after `with args`, `HELLO`, `AUTH` or `key:` is kept.
 *   3. It has one line and 400 characters at most.
 */

const MAX_LENGTH = 400;
const REMOVED = '...';
/** `run the 'evalsha' command`, `unknown command 'FCALL'`, `unknown subcommand 'info'`, `used memory > 'maxmemory'`. */
const KEPT_IN_QUOTES =
  /\b(run the|unknown command|unknown subcommand|wrong number of arguments for|memory >) (['"`])([a-z|_-]{1,32})\2/gi;

export function refusalText(message: string): string {
  const kept = message
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/,?\s*with args\b.*$/i, '')
    .replace(KEPT_IN_QUOTES, '$1 $3')
    .replace(/\b(HELLO|AUTH)\b.*$/i, `$1 ${REMOVED}`)
    .replace(/\b(keys?:).*$/i, `$1 ${REMOVED}`)
    // An apostrophe within a word is no quote.
    .replace(/(?<!\w)(['"`]).*(\1|$)/g, REMOVED);
  return kept.length > MAX_LENGTH ? `${kept.slice(0, MAX_LENGTH)}${REMOVED}` : kept;
}
