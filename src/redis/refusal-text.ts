/**
 * Removes sensitive parts from the text of a Redis error that appears in logs and /readyz. Pure.
 *
 * Redis and proxies repeat parts of the request in errors, such as the arguments of an unknown command, a login with
 * its password, or a key.
 *
 *   1. Everything between the first and the last quote is removed, except command and option names in known error
 *      messages of Redis.
 *   2. Everything after `with args`, `HELLO`, `AUTH` or `key:` is removed.
 *   3. The result is one line of at most 400 characters.
 */

const MAX_LENGTH = 400;
const REMOVED = '...';
/**
 * Known error messages whose quoted name is kept, such as `run the 'evalsha' command`, `unknown command 'FCALL'`,
 * `unknown subcommand 'info'` and `used memory > 'maxmemory'`.
 */
const KEPT_IN_QUOTES =
  /\b(run the|unknown command|unknown subcommand|wrong number of arguments for|memory >) (['"`])([a-z|_-]{1,32})\2/gi;

export function refusalText(message: string): string {
  const kept = message
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/,?\s*with args\b.*$/i, '')
    .replace(KEPT_IN_QUOTES, '$1 $3')
    .replace(/\b(HELLO|AUTH)\b.*$/i, `$1 ${REMOVED}`)
    .replace(/\b(keys?:).*$/i, `$1 ${REMOVED}`)
    // An apostrophe within a word is not a quote.
    .replace(/(?<!\w)(['"`]).*(\1|$)/g, REMOVED);
  return kept.length > MAX_LENGTH ? `${kept.slice(0, MAX_LENGTH)}${REMOVED}` : kept;
}
