import { rfc3339 } from '../lifetime.ts'
import type { ClockState, Credit } from './state.ts'

/** Returns the `data` of a ConfigMap that `parseClock` reads as this state. */
export function clockData({ paused, lockdown, credits }: ClockState): Record<string, string> {
  return {
    paused: String(paused),
    lockdown: String(lockdown),
    credits: credits.length === 0 ? '[]\n' : credits.map(creditText).join(''),
  }
}

/** Texts are quoted: YAML would read some of them as numbers. */
function creditText({ id, minutes, at, event, template, team }: Credit): string {
  const lines = [
    `- id: ${JSON.stringify(id)}`,
    `minutes: ${minutes}`,
    `at: ${rfc3339(at)}`,
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(template === undefined ? [] : [`template: ${JSON.stringify(template)}`]),
    ...(team === undefined ? [] : [`team: ${team}`]),
  ]
  return `${lines.join('\n  ')}\n`
}
