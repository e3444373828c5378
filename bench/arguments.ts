/**
 * Reads the arguments of a benchmark. Prints the help and exits with code 0 for --help. Prints an error and exits with code 2 if an argument is
 * invalid.
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
