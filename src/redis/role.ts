/**
 * What a server says of itself: the replies of ROLE and of INFO replication, read into one word. Pure.
 *
 * `unknown` is a server that reports neither (no permission, command disabled, a Sentinel): callers assume that it is a master.
 */
export type ServerRole = 'master' | 'replica' | 'unknown';

/** Of the reply of ROLE, whose first element is the role; an error or any other form is `unknown`. */
export function parseRole(reply: unknown): ServerRole {
  if (!Array.isArray(reply)) {
    return 'unknown';
  }
  const [first] = reply as readonly unknown[];
  return typeof first === 'string' || Buffer.isBuffer(first) ? roleOfWord(String(first)) : 'unknown';
}

/** Of the text of INFO replication, which says `role:master` or `role:slave` in a line of its own. */
export function parseInfoRole(text: string): ServerRole {
  return roleOfWord(/^role:(\w+)/m.exec(text)?.[1] ?? '');
}

function roleOfWord(word: string): ServerRole {
  switch (word) {
    case 'master':
      return 'master';
    case 'slave':
    case 'replica':
      return 'replica';
    default:
      return 'unknown';
  }
}
