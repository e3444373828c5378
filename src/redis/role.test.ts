/**
 * Tests that the role of a server is found in every form of reply.
 */
import { parseInfoRole, parseRole } from './role.ts';

const REPLIES: readonly [unknown, string][] = [
  [['master', 3_129_659, []], 'master'],
  [[Buffer.from('master'), 0, []], 'master'],
  [[Buffer.from('slave'), Buffer.from('10.0.0.1'), 6379, Buffer.from('connect'), -1], 'replica'],
  [['slave', '10.0.0.1', 6379, 'connected', 3_167_038], 'replica'],
  [['replica'], 'replica'],
  [['sentinel', ['primary']], 'unknown'],
  [[], 'unknown'],
  [[7], 'unknown'],
  ['master', 'unknown'],
  [null, 'unknown'],
  [new Error('NOPERM'), 'unknown'],
];

test.each(REPLIES)('parses the ROLE reply %p as %s', (reply, role) => {
  expect(parseRole(reply)).toBe(role);
});

const TEXTS: readonly [string, string][] = [
  ['# Replication\r\nrole:master\r\nconnected_slaves:0\r\n', 'master'],
  ['# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\n', 'replica'],
  ['# Replication\r\nmaster_replid:role:master\r\n', 'unknown'],
  ['', 'unknown'],
];

test.each(TEXTS)('parses INFO replication %j as %s', (text, role) => {
  expect(parseInfoRole(text)).toBe(role);
});
