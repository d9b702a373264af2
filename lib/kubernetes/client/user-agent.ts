import { version } from '../../version.ts'

/** `User-Agent` of one function or command: the name tells their calls apart in the audit log of the API server. */
export function userAgentOf(name: string): string {
  return `challenge-operator/${version} (${name})`
}
