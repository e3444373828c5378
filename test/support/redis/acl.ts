/**
 * Reads the permissions in docs/operations/redis.md and grants them to test users, so that tests use exactly the
 * documented permissions.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../repository.ts';
import type { RedisNode } from './server.ts';

export const ACL_USER = 'pannier';
export const ACL_PASSWORD = 'secret';

/** Sections of the ACL blocks, each named by the comment line with which the section begins. */
export type AclSection = 'the user' | 'every connection' | 'limits and sessions' | 'cache' | 'a Sentinel';

const ALL_SECTIONS: readonly AclSection[] = ['the user', 'every connection', 'limits and sessions', 'cache'];

/** Returns the rules of a section, e.g. `+get` or `~pannier:rl:*`, as they are written on the page. */
export function documentedRules(section: AclSection): string[] {
  const text = readFileSync(join(repositoryRoot, 'docs/operations/redis.md'), 'utf8');
  const block = [...text.matchAll(/^```acl\n([\s\S]*?)^```/gm)].map((match) => match[1]).join('');
  const rules: string[] = [];
  let current = '';
  for (const line of block.split('\n').filter((candidate) => candidate !== '')) {
    if (line.startsWith('# ')) {
      current = line.slice(2);
    } else if (!line.startsWith(`ACL SETUSER ${ACL_USER} `)) {
      throw new Error(
        `cannot read the ACL block of docs/operations/redis.md: each line must begin with ACL SETUSER ${ACL_USER}, got "${line}"`,
      );
    } else if (current === section) {
      rules.push(...line.split(' ').slice(3));
    }
  }
  if (rules.length === 0) {
    throw new Error(`cannot read the ACL block of docs/operations/redis.md: it has no rules under "${section}"`);
  }
  return rules;
}

/** Creates the user on a server. `prefix` replaces the default key prefix. */
export async function createAclUser(
  node: RedisNode,
  options: { prefix: string; sections?: readonly AclSection[] },
): Promise<void> {
  for (const section of options.sections ?? ALL_SECTIONS) {
    const rules = documentedRules(section).map((rule) =>
      rule.replace(/^([~&])pannier:/, `$1${options.prefix}`).replace('>PASSWORD', `>${ACL_PASSWORD}`),
    );
    await node.command('ACL', 'SETUSER', ACL_USER, ...rules);
  }
}
