import { version } from '../../version.ts'

/** Returns the `User-Agent` of a function or command. Its name tells their calls apart in the API server's audit log. */
export function userAgentOf(name: string): string {
  return `challenge-operator/${version} (${name})`
}
