/**
 * Addresses that a client on this machine can use.
 */
import { localText } from './local-text.ts';

test.each([
  ['::', '127.0.0.1:9471'],
  ['0.0.0.0', '127.0.0.1:9471'],
  ['127.0.0.1', '127.0.0.1:9471'],
  ['::1', '[::1]:9471'],
])('names the address of %s', (host, text) => {
  expect(localText(host, 9471)).toBe(text);
});
