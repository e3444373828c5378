/**
 * The container engine that tests call: the command that PANNIER_TEST_ENGINE names, or docker. It takes docker's arguments.
 */
const fromEnvironment = process.env.PANNIER_TEST_ENGINE ?? '';

export const containerEngine: string = fromEnvironment === '' ? 'docker' : fromEnvironment;
