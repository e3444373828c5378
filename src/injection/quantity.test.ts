/**
 * Tests that every quantity of Kubernetes is read, and that annotations and configuration accept only usual forms.
 */
import { isCpuQuantity, isMemoryLimit, isMemoryRequest, isStorageQuantity, parseQuantity } from './quantity.ts';

test.each([
  ['1', 1],
  ['0.5', 0.5],
  ['.5', 0.5],
  ['5.', 5],
  ['+2', 2],
  ['100m', 0.1],
  ['5u', 5e-6],
  ['3n', 3e-9],
  ['2k', 2_000],
  ['1E', 1e18],
  ['1e3', 1_000],
  ['1E3', 1_000],
  ['12E-1', 1.2],
  ['64Mi', 67_108_864],
  ['1.5Ti', 1.5 * 2 ** 40],
  ['1Ei', 2 ** 60],
])('reads %s', (text, expected) => {
  expect(parseQuantity(text)).toBeCloseTo(expected, 12);
});

test('reads the same number from every notation of a decimal quantity', () => {
  const millis = Array.from({ length: 64_000 }, (_, index) => index + 1);
  const different = millis.filter((count) => parseQuantity(`${count}m`) !== parseQuantity(String(count / 1_000)));
  expect(different).toEqual([]);
  expect(parseQuantity('1.1G')).toBe(parseQuantity('1100M'));
});

test.each(['', '.', 'm', '1 Mi', '1mi', '1K', '1e', '1e3Mi', '1.2.3', '0x10', 'Infinity'])('rejects %j', (text) => {
  expect(parseQuantity(text)).toBeUndefined();
});

test.each([
  [isCpuQuantity, ['1m', '0.5', '64'], ['0', '65', '1k', '1e1', '+1', '500u']],
  [isMemoryRequest, ['1Mi', '96Mi', '64Gi', '1.5G'], ['1023Ki', '65Gi', '1Ti', '1e9', '100000m', '1Pi']],
  [isMemoryLimit, ['96Mi', '64Gi'], ['95Mi', '1Mi', '65Gi']],
  [isStorageQuantity, ['1Mi', '1.5T', '16Ti'], ['1023Ki', '17Ti', '1Pi', '1e9', '100m']],
])('%p accepts the usual forms within its range', (accepts, valid, invalid) => {
  expect(valid.filter((text) => !accepts(text))).toEqual([]);
  expect(invalid.filter((text) => accepts(text))).toEqual([]);
});
