/**
 * The version of the program. The build inserts the version of package.json; a run from source has a version that says so.
 */
declare const PANNIER_VERSION: string | undefined;

export const VERSION: string = typeof PANNIER_VERSION === 'string' ? PANNIER_VERSION : '0.0.0-source';
