/**
 * Container engine of the tests: the command in PANNIER_TEST_ENGINE, or docker. The command must accept docker's
 * arguments.
 */
const fromEnvironment = process.env.PANNIER_TEST_ENGINE ?? '';

export const containerEngine: string = fromEnvironment === '' ? 'docker' : fromEnvironment;
