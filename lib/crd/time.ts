/**
 * Reads a time of an object. The API server writes RFC 3339; a status may also hold what an earlier release wrote.
 * @returns epoch milliseconds; undefined if there is no time, or a text that is none
 */
export function epochMs(time: string | undefined): number | undefined {
  if (time === undefined) return undefined
  const at = Date.parse(time)
  return Number.isNaN(at) ? undefined : at
}
