/**
 * Tests that the module drops and counts log lines while the output is blocked. No caller waits for the output, and no
 * line is cut.
 */
import fc from 'fast-check';
import { LogOutput } from './log-output.ts';

/**
 * Creates an output that accepts the given numbers of bytes, one per write. A write fails if its number is undefined,
 * as a write to a full pipe fails.
 */
function outputTaking(takes: (number | undefined)[]): { output: LogOutput; lines: () => string[] } {
  let text = '';
  const output = new LogOutput((bytes) => {
    const take = takes.length === 0 ? bytes.length : takes.shift();
    if (take === undefined) {
      throw Object.assign(new Error('full'), { code: 'EAGAIN' });
    }
    const taken = Math.min(take, bytes.length);
    text += bytes.subarray(0, taken).toString();
    return taken;
  });
  return { output, lines: () => text.split('\n').slice(0, -1) };
}

test('drops lines while the output is blocked, and then logs how many', () => {
  const { output, lines } = outputTaking([undefined, undefined]);
  for (const line of ['one\n', 'two\n', 'three\n']) {
    output.write(line);
  }
  const [told = '', ...others] = lines();
  expect(JSON.parse(told)).toMatchObject({ level: 'warn', lines: 2 });
  expect(others).toEqual(['three']);
});

test('completes a partly written line before the next one', () => {
  const { output, lines } = outputTaking([2, 1, 100]);
  for (const line of ['first\n', 'second\n', 'third\n']) {
    output.write(line);
  }
  expect(lines()[0]).toBe('first');
  expect(JSON.parse(lines()[1] ?? '')).toMatchObject({ lines: 1 });
  expect(lines()[2]).toBe('third');
});

test('keeps lines whole and in order, and counts all dropped ones, for a random output', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(60), { nil: undefined }), { maxLength: 60 }), (takes) => {
      const { output, lines } = outputTaking(takes);
      const sent = Array.from({ length: 200 }, (_, index) => JSON.stringify({ index }));
      for (const line of sent) {
        output.write(`${line}\n`);
      }
      let next = 0;
      for (const line of lines()) {
        const parsed = JSON.parse(line) as { index?: number; lines?: number };
        if (parsed.lines !== undefined) {
          next += parsed.lines;
        } else {
          expect(parsed.index).toBe(next);
          next += 1;
        }
      }
      expect(next).toBe(sent.length);
    }),
  );
});
