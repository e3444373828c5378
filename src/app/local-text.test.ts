/**
 * Tests the conversion of listen addresses to addresses for local clients.
 */
import { localText } from './local-text.ts';

test.each([
  ['::', '127.0.0.1:9471'],
  ['0.0.0.0', '127.0.0.1:9471'],
  ['127.0.0.1', '127.0.0.1:9471'],
  ['::1', '[::1]:9471'],
])('converts the listen address %s', (host, text) => {
  expect(localText(host, 9471)).toBe(text);
});
