/**
 * Tests that a script includes the library blocks that it uses, and the blocks on which they depend, in order.
 */
import { blockDeclaring, withLibraries } from './script-library.ts';

const LIBRARY = `-- Shared.

local BASE = 10

-- Uses BASE.
local function double(number)
  return number * 2 + BASE
end

local first, second = 1, 2
`;

test.each([
  ['nothing', 'return 1', []],
  ['a constant', 'return BASE', ['BASE']],
  ['a function and what it uses', 'return double(1)', ['BASE', 'double']],
  ['one of several locals of a block', 'return second', ['second']],
  ['a name in a comment', '-- double\nreturn 1', []],
  ['a longer name', 'return doubled', []],
])('includes the blocks for %s', (_what, script, names) => {
  const source = withLibraries(script, [LIBRARY]);
  const blocks = names.map((name) => blockDeclaring(name, LIBRARY));
  expect(source).toBe([...blocks, script].join('\n\n'));
});

test('lets a later library use an earlier one', () => {
  const source = withLibraries('return triple(1)', [LIBRARY, 'local function triple(n)\n  return double(n)\nend']);
  expect(source.indexOf('local BASE')).toBeLessThan(source.indexOf('local function double'));
  expect(source.indexOf('local function double')).toBeLessThan(source.indexOf('local function triple'));
});

test('throws if no block declares the name', () => {
  expect(() => blockDeclaring('missing', LIBRARY)).toThrow('no block of the library declares missing');
});
