/**
 * Defines the version of the program. The build inserts the version of package.json. A program that runs from source
 * has the version `0.0.0-source`.
 */
declare const PANNIER_VERSION: string | undefined;

export const VERSION: string = typeof PANNIER_VERSION === 'string' ? PANNIER_VERSION : '0.0.0-source';
