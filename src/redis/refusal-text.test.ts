/**
 * Tests which error texts of Redis are kept, and which parts of the request are removed from the texts.
 */
import { refusalText } from './refusal-text.ts';

test.each([
  'ERR max number of clients reached',
  "READONLY You can't write against a read only replica.",
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
  'WRONGTYPE Operation against a key holding the wrong kind of value script: 5f21, on @user_script:12.',
  'NOPERM No permissions to access a key',
  'WRONGPASS invalid username-password pair or user is disabled.',
  'NOREPLICAS Not enough good replicas to write.',
])('keeps %s', (text) => {
  expect(refusalText(text)).toBe(text);
});

test.each([
  ["NOPERM User app has no permissions to run the 'evalsha' command", 'User app has no permissions to run the evalsha'],
  ["NOPERM this user has no permissions to run the 'client|info' command", 'run the client|info command'],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'used memory > maxmemory.'],
  ["ERR unknown subcommand 'SLOTS'. Try CLUSTER HELP.", 'unknown subcommand SLOTS.'],
])('keeps the command or option name in %s', (text, kept) => {
  expect(refusalText(text)).toContain(kept);
});

test.each([
  "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'secret'",
  'ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `secret`',
  'ERR unknown command HELLO 3 AUTH default secret',
  'ERR bad login: AUTH secret',
  "NOPERM User app has no permissions to access the 'secret' key",
  "NOPERM User app has no permissions to access the 'it's a secret' key",
  'NOPERM this user has no permissions to access one of the keys: secret',
  "ERR invalid option 'secret",
  'ERR value "secret" is not an integer',
  `ERR ${'x'.repeat(400)} secret`,
])('removes the secret from %s', (text) => {
  expect(refusalText(text)).not.toContain('secret');
  expect(refusalText(text)).toMatch(/^(ERR|NOPERM) ./);
});

test('returns one line', () => {
  expect(refusalText('ERR one\r\ntwo\u0000three')).toBe('ERR one two three');
});
