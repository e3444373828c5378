/**
 * Rewrites the usage errors of commander into the two forms that all our errors have, such as `--port must be an
 * integer from 0 to 65535, got "x"`.
 *
 * Invariants:
 *   1. Commander prints a usage error on standard error, followed by the command that shows the help, and then throws
 *      the error.
 *   2. The error for the old name of a renamed option contains the new name.
 *   3. An option with one value must be set at most once on the command line. The last value never silently wins. A
 *      repeated option without a value has the effect of one.
 *   4. The name of an option is never the value of another option, because the value of that option is missing then.
 */
import type { Command } from 'commander';

/** Old names of options and their new names. */
const RENAMED_OPTIONS: ReadonlyMap<string, string> = new Map([
  ['--leaf-lifetime-ms', '--serving-certificate-lifetime-ms'],
  ['--authority-file', '--ca-file'],
]);

/** Options that collect the values of all occurrences, apart from the options that take several values at once. */
const COLLECTED_OPTIONS: ReadonlySet<string> = new Set(['--metadata', '--kind', '--policy-file']);

/**
 * Makes a command throw its usage errors and print them in our form. `name` is the full name, such as `pannier serve`.
 */
export function withPlainErrors(command: Command, name: string): Command {
  refuseRepeatedOptions(command);
  refuseOptionsAsValues(command);
  return command
    .exitOverride()
    .showHelpAfterError(`(see ${name} --help)`)
    .configureOutput({
      outputError: (text, write) => write(`${plainError(text.trim(), name)}${hint(text, command)}\n`),
    });
}

function refuseRepeatedOptions(command: Command): void {
  const counts = new Map<string, number>();
  for (const option of command.options) {
    const flag = option.long ?? option.flags;
    if (option.required && !option.variadic && !COLLECTED_OPTIONS.has(flag)) {
      // The command line emits this event for each occurrence; environment variables emit another event.
      command.on(`option:${option.name()}`, () => counts.set(flag, (counts.get(flag) ?? 0) + 1));
    }
  }
  command.hook('preAction', () => {
    for (const [flag, count] of counts) {
      if (count > 1) {
        command.error(`error: ${flag} must be set at most once, got ${count} values`);
      }
    }
  });
}

/** Refuses `--filename --image a:1`, where commander would read the file `--image`. */
function refuseOptionsAsValues(command: Command): void {
  const names = new Set(command.options.map((option) => option.long));
  for (const option of command.options.filter(({ required }) => required)) {
    command.on(`option:${option.name()}`, (value: unknown) => {
      if (typeof value === 'string' && names.has(value)) {
        command.error(`error: ${option.long ?? option.flags} must have a value, got the option ${value}`);
      }
    });
  }
}

/** Returns what to do about arguments that were meant as the values of an option. */
function hint(message: string, command: Command): string {
  const namesFiles = command.options.some((option) => option.long === '--filename' && option.variadic);
  return namesFiles && message.includes('too many arguments') ? '; name files with --filename' : '';
}

/** Rewrites a message of commander. If no pattern matches the message, only removes the prefix "error: ". */
function plainError(message: string, name: string): string {
  for (const [pattern, rewrite] of FORMS) {
    const match = pattern.exec(message);
    if (match !== null) {
      return rewrite(match.slice(1), name);
    }
  }
  return message.replace(/^error: /, '');
}

type Rewrite = (parts: readonly (string | undefined)[], name: string) => string;

const FORMS: readonly [RegExp, Rewrite][] = [
  [
    /^error: unknown option '(.*)'(?:\n\(Did you mean (.*)\?\))?$/s,
    ([option = '', similar]) => unknownOption(option, similar),
  ],
  [
    /^error: unknown command '(.*)'(?:\n\(Did you mean (.*)\?\))?$/s,
    ([command, similar]) => `unknown command ${quoted(command)}${suggestion(similar)}`,
  ],
  [
    /^error: option '.*' value '(.*)' from env '(\w+)' is invalid\. (.*)$/s,
    ([value, variable, rule]) => `${variable} ${accepted(rule)}, got ${quoted(value)}`,
  ],
  [
    /^error: option '(.*)' argument '(.*)' is invalid\. (.*)$/s,
    ([flags, value, rule]) => `${longName(flags)} ${accepted(rule)}, got ${quoted(value)}`,
  ],
  [
    /^error: command-argument value '(.*)' is invalid for argument '(\w+)'\. (.*)$/s,
    ([value, argument, rule]) => `<${argument}> ${accepted(rule)}, got ${quoted(value)}`,
  ],
  [/^error: option '(.*)' argument missing$/, ([flags]) => `${longName(flags)} must have a value, got nothing`],
  [
    /^error: required option '(.*)' not specified$/,
    ([flags], name) => `cannot run ${name}: an option is missing; set ${longFlags(flags)}`,
  ],
  [
    /^error: missing required argument '(.*)'$/,
    ([argument], name) => `cannot run ${name}: an argument is missing; set <${argument}>`,
  ],
  [
    /^error: too many arguments.*Expected (\d+) arguments? but got (\d+)\.$/,
    ([expected, got], name) => `${name} must have ${argumentCount(expected)}, got ${got}`,
  ],
];

function unknownOption(option: string, similar: string | undefined): string {
  const renamed = RENAMED_OPTIONS.get(option);
  return renamed === undefined
    ? `unknown option ${quoted(option)}${suggestion(similar)}`
    : `cannot use ${option}: it was renamed; use ${renamed}`;
}

function argumentCount(expected = '0'): string {
  return expected === '0' ? 'no arguments' : `at most ${expected} argument${expected === '1' ? '' : 's'}`;
}

/** Formats a suggestion of commander, which is `one of --a, --b` or a single name. */
function suggestion(similar: string | undefined): string {
  if (similar === undefined) {
    return '';
  }
  const names = similar.replace(/^one of /, '').split(', ');
  return `; did you mean ${names.map(quoted).join(' or ')}?`;
}

/**
 * Returns the rule for the value of an option, in a form that begins with "must be". The rules of this program already
 * have this form, so the function only rewrites the list of choices of commander.
 */
function accepted(rule = ''): string {
  return rule.replace(/^Allowed choices are (.*)\.$/, 'must be one of $1');
}

/** Drops the short name and the placeholder of the value: `-f, --filename <file>` becomes `--filename`. */
function longName(flags = ''): string {
  return longFlags(flags).split(' ', 1)[0] ?? '';
}

function longFlags(flags = ''): string {
  return flags.replace(/^-\w, /, '');
}

function quoted(text = ''): string {
  return JSON.stringify(text);
}
