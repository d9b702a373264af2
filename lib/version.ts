import packageJson from '../package.json' with { type: 'json' }

/** The version of the operator, as in the User-Agent and `--version`. */
export const version: string = packageJson.version
