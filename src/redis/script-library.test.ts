/**
 * Libraries of Lua: a script is sent with the blocks that it uses, and those that they use, in their order.
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
])('a script that uses %s', (_what, script, names) => {
  const source = withLibraries(script, [LIBRARY]);
  const blocks = names.map((name) => blockDeclaring(name, LIBRARY));
  expect(source).toBe([...blocks, script].join('\n\n'));
});

test('a later library uses an earlier one', () => {
  const source = withLibraries('return triple(1)', [LIBRARY, 'local function triple(n)\n  return double(n)\nend']);
  expect(source.indexOf('local BASE')).toBeLessThan(source.indexOf('local function double'));
  expect(source.indexOf('local function double')).toBeLessThan(source.indexOf('local function triple'));
});

test('a name that no block declares is an error', () => {
  expect(() => blockDeclaring('missing', LIBRARY)).toThrow('no block of the library declares missing');
});
