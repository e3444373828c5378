/**
 * Command of the container engine that the tests use: the value of PANNIER_TEST_ENGINE, or docker. The command must
 * accept docker's arguments.
 */
const fromEnvironment = process.env.PANNIER_TEST_ENGINE ?? '';

export const containerEngine: string = fromEnvironment === '' ? 'docker' : fromEnvironment;
