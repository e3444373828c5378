/**
 * The arguments of a bench: read, or answered with the help (exit 0) or with what is wrong with them (exit 2).
 */

export function readArguments<Options>(parse: (args: readonly string[]) => Options | undefined, help: string): Options {
  let options: Options | undefined;
  try {
    options = parse(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(2);
  }
  if (options === undefined) {
    process.stdout.write(help);
    process.exit(0);
  }
  return options;
}
